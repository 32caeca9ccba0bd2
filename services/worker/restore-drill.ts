import type { WorkerPorts } from '#jobs/processors.ts';
import { version } from '#observability/version.ts';
import { allEnded } from '#services/core/shared/send-batch.ts';
import { modules } from '../modules.ts';
import { backupKeyFileInvalid } from '../platform/backups/errors.ts';
import { keyInFile } from '../platform/backups/key-file.ts';
import type { Config } from '../platform/config/load.ts';
import { readMigrations } from '../platform/postgres/migration-files.ts';
import { createPool, createSql } from '../platform/postgres/pool.ts';
import { inScratchDatabase } from '../platform/postgres/scratch-database.ts';
import { openBackupSource, openRestoreTarget } from '../platform/postgres/table-copies.ts';
import { queueTables } from '../platform/queue/tables.ts';

/** One hour: the integrity check reads whole tables. */
const STATEMENT_TIMEOUT_MS = 3_600_000;
const PREFIX = 'sallyport_drill_';

type DrillConfig = Partial<
  Pick<Config['compliance'], 'restoreDrillUrl' | 'restoreDrillBackup' | 'restoreDrillKeyFile'>
> &
  Partial<Pick<Config, 'backups'>>;

/** @throws backupKeyFileInvalid */
function keyOf(path: string): Buffer {
  let key: Buffer | undefined;
  try {
    key = keyInFile(path);
  } catch (cause) {
    throw backupKeyFileInvalid({ cause });
  }
  if (!key) throw backupKeyFileInvalid();
  return key;
}

/** The backup that is kept for rehearsals; null where each makes its own. */
function keptOf({ restoreDrillBackup: place, restoreDrillKeyFile: keyFile, backups }: DrillConfig) {
  if (place === undefined || keyFile === undefined || backups === undefined) return null;
  return {
    key: () => keyOf(keyFile),
    // With the first rehearsal: other workers never need the client of object stores.
    async *read(): AsyncGenerator<Buffer> {
      const { readBackupAt } = await import('../platform/backups/backup-place.ts');
      yield* readBackupAt(place, () => backups);
    },
  };
}

/** Rehearsals of a restore of one database, on the server of another URL; null without that URL. */
export function createRestoreDrill(databaseUrl: string, config: DrillConfig): WorkerPorts['restoreDrill'] {
  const { restoreDrillUrl: drillUrl } = config;
  if (drillUrl === undefined) return null;
  return {
    openSource: () => openBackupSource(databaseUrl),
    kept: keptOf(config),
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
          await allEnded([target.close(), pool.end()]);
        }
      }),
    tables: [...modules.flatMap(({ tables }) => tables), ...queueTables],
    migrations: readMigrations,
    productVersion: version,
  };
}
