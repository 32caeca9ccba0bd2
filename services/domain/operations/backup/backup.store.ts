import { defineStatement } from '#services/platform/define/statement.ts';
import type { LogHead, Sql } from '../../ports.ts';
import type { BackupHead } from './backup-shapes.ts';

// Each reads one table of a few rows, in the view of the backup.
const backupLogRead = defineStatement(
  'backupLogRead',
  `SELECT origin, size, encode(root, 'base64') AS root FROM audit_log WHERE closed_at IS NULL`,
);
const backupMigrationsRead = defineStatement(
  'backupMigrationsRead',
  `SELECT migration_name AS name, checksum FROM _prisma_migrations
   WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`,
);
const backupOutboxDaysRead = defineStatement(
  'backupOutboxDaysRead',
  'SELECT day::text FROM audit_outbox_days() WHERE attached ORDER BY day',
);

export async function readOpenLogHead(sql: Sql): Promise<LogHead | null> {
  const [log] = await sql.query<LogHead>(backupLogRead);
  return log ?? null;
}

export const readMigrations = (sql: Sql): Promise<BackupHead['migrations']> => sql.query(backupMigrationsRead);

export const readOutboxDays = async (sql: Sql): Promise<string[]> =>
  (await sql.query<{ day: string }>(backupOutboxDaysRead)).map(({ day }) => day);
