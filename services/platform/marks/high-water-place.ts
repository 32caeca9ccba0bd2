import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Ports } from '#services/core/ports.ts';
import { type Config, ConfigError } from '../config/load.ts';
import type { MarkConfig } from '../config/marks.ts';
import { defineStatement } from '../define/statement.ts';
import { createSecretFile } from '../local/data-dir.ts';

const FILE_NAME = 'marks-place';

/** One row. Its lock serialises concurrent starts. */
const markPlaceHold = defineStatement('markPlaceHold', 'SELECT mark_place AS place FROM feed_state FOR UPDATE');

const markPlaceRead = defineStatement('markPlaceRead', 'SELECT mark_place AS place FROM feed_state');

const markPlaceSet = defineStatement('markPlaceSet', 'UPDATE feed_state SET mark_place = $1');

/** Reads pg_stat_activity; command lines and starts are left out. */
const othersRead = defineStatement('markPlaceOthersRead')`
  SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sallyport-%'
    AND application_name NOT IN ('sallyport-cli', 'sallyport-prepare') LIMIT 1`;

const ownPlace = (dataDir: string): string => createSecretFile(join(dataDir, FILE_NAME), randomUUID()).trim();

/**
 * Ensures that all machines use the same folder of high-water marks: a machine without marks trusts any database, and
 * would sign and seal on one that the others refuse. The database stores which folder it is; another folder may take
 * over only when no other process is running.
 * @throws ConfigError while processes that keep their marks elsewhere use the database
 */
export async function claimHighWaterPlace(
  { transact }: Pick<Ports, 'transact'>,
  { store }: MarkConfig,
  dataDir: string,
): Promise<void> {
  if (store !== 'file') return;
  const own = ownPlace(dataDir);
  await transact(async (tx) => {
    const [held] = await tx.query<{ place: string | null }>(markPlaceHold);
    if (held?.place === own) return;
    if (held?.place && (await tx.query(othersRead)).length > 0)
      throw new ConfigError([
        {
          env: 'MARK_STORE',
          problem: 'is file under production while processes with another data directory use the database',
          fix: 'set MARK_STORE=s3 on every machine, or, on one machine, let all processes share SALLYPORT_DATA_DIR',
        },
      ]);
    await tx.query(markPlaceSet, [own]);
  });
}

/**
 * Refuses to run an API or worker process beside a folder of high-water marks that is not the one of the database: only
 * the step that prepares the database claims a folder, and one machine may have run it for all.
 * @throws ConfigError under production if another folder is claimed
 */
export async function assertHighWaterPlace(
  { sql }: Pick<Ports, 'sql'>,
  { marks, server }: { readonly marks: MarkConfig; readonly server: Pick<Config['server'], 'profile' | 'dataDir'> },
): Promise<void> {
  if (server.profile !== 'production' || marks.store !== 'file') return;
  const own = ownPlace(resolve(server.dataDir));
  const [claimed] = await sql.query<{ place: string | null }>(markPlaceRead);
  if (!claimed?.place || claimed.place === own) return;
  throw new ConfigError([
    {
      env: 'MARK_STORE',
      problem: 'is file under production while the database is used with another data directory',
      fix: 'set MARK_STORE=s3 on every machine; or, to move to this machine, stop the processes of the other directory and run `migrate` with this SALLYPORT_DATA_DIR',
    },
  ]);
}
