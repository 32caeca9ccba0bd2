import { version } from '#observability/version.ts';
import { modules } from '../domain/modules.ts';
import type { HasRestoreDrill } from '../domain/operations/backup/rehearse-restore.ts';
import { readMigrations } from '../platform/postgres/migration-files.ts';
import { createPool, createSql } from '../platform/postgres/pool.ts';
import { inScratchDatabase } from '../platform/postgres/scratch-database.ts';
import { openBackupSource, openRestoreTarget } from '../platform/postgres/table-copies.ts';
import { queueTables } from '../platform/queue/tables.ts';

/** One hour: the integrity check reads whole tables. */
const STATEMENT_TIMEOUT_MS = 3_600_000;
const PREFIX = 'sallyport_drill_';

/** Rehearsals of a restore of one database, on the server of another URL; null without that URL. */
export function createRestoreDrill(databaseUrl: string, drillUrl: string | undefined): HasRestoreDrill['restoreDrill'] {
  if (drillUrl === undefined) return null;
  return {
    openSource: () => openBackupSource(databaseUrl),
    inScratch: (mark, work) =>
      inScratchDatabase(drillUrl, `${PREFIX}${mark}_`, async (url) => {
        const target = await openRestoreTarget(url);
        const pool = createPool({
          url,
          connections: 1,
          applicationName: 'sallyport-restore-drill',
          statementTimeoutMs: STATEMENT_TIMEOUT_MS,
          lockTimeoutMs: STATEMENT_TIMEOUT_MS,
        });
        try {
          return await work({ target, sql: createSql(pool) });
        } finally {
          await Promise.all([target.close(), pool.end()]);
        }
      }),
    tables: [...modules.flatMap(({ tables }) => tables), ...queueTables],
    migrations: readMigrations,
    productVersion: version,
  };
}
