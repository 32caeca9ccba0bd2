import type { LogHead, Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { BackupHead } from './backup-shapes.ts';

// Each reads one table of a few rows, in the view of the backup.
const backupLogRead = defineStatement('backupLogRead')`
  SELECT origin, size, encode(root, 'base64') AS root FROM audit_log WHERE closed_at IS NULL`;
const backupMigrationsRead = defineStatement('backupMigrationsRead')`
  SELECT migration_name AS name, checksum FROM _prisma_migrations
  WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`;
const backupOutboxDaysRead = defineStatement('backupOutboxDaysRead')`
  SELECT day::text FROM audit_outbox_days() WHERE attached ORDER BY day`;

// Two days: longer than any backup and any transaction. Reads the whole table, as the backup itself does.
const backupShreddedRead = defineStatement('backupShreddedRead')`
  SELECT coalesce(array_agg(id), '{}') AS ids FROM phi_data_keys WHERE shredded_at > clock_timestamp() - interval '2 days'`;
const backupUnshreddedCount = defineStatement('backupUnshreddedCount')`
  SELECT count(*) AS count FROM phi_data_keys WHERE id = ANY ($1::uuid[]) AND shredded_at IS NULL`;
const backupErasuresRead = defineStatement('backupErasuresRead')`
  SELECT coalesce(sum(erasures), 0)::bigint AS erasures FROM audit_log`;

/** Whether the view of a backup still has what was destroyed since: keys of health data, or persons in the log. */
export async function hasDestroyedData(view: Sql, now: Sql): Promise<boolean> {
  const [shredded] = await now.query<{ ids: string[] }>(backupShreddedRead);
  const [live] = await view.query<{ count: number }>(backupUnshreddedCount, [shredded?.ids ?? []]);
  const [before] = await view.query<{ erasures: number }>(backupErasuresRead);
  const [after] = await now.query<{ erasures: number }>(backupErasuresRead);
  return live?.count !== 0 || before?.erasures !== after?.erasures;
}

export async function readOpenLogHead(sql: Sql): Promise<LogHead | null> {
  const [log] = await sql.query<LogHead>(backupLogRead);
  return log ?? null;
}

export const readMigrations = (sql: Sql): Promise<BackupHead['migrations']> => sql.query(backupMigrationsRead);

export const readOutboxDays = async (sql: Sql): Promise<string[]> =>
  (await sql.query<{ day: string }>(backupOutboxDaysRead)).map(({ day }) => day);
