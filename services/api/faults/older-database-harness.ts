// For tests only: copies of a Postgres that a test started: its data directory at an earlier time, or a streaming
// replica.
import { execFile } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import type { OwnStores } from '#tools/testing/processes/own-stores.ts';

const CLUSTER = 'postgres-18';

/** Stops the server cleanly, copies its data directory, and starts it again. */
export async function copyOfPostgres(stores: OwnStores, to: string): Promise<void> {
  mkdirSync(to);
  chmodSync(to, 0o755);
  await stores.end('postgres', 'SIGINT');
  const from = realpathSync(join(stores.dataDir, CLUSTER));
  await promisify(execFile)('cp', ['-Rp', from, join(to, CLUSTER)]);
  await promisify(execFile)('cp', ['-p', join(stores.dataDir, 'postgres-password'), to]);
  await stores.revive('postgres');
}

/** Replaces the server's data with a copy; the server is stopped and stays stopped. */
export async function putBack(stores: OwnStores, copy: string): Promise<void> {
  await stores.end('postgres', 'SIGINT');
  const place = realpathSync(join(stores.dataDir, CLUSTER));
  rmSync(place, { recursive: true });
  await promisify(execFile)('cp', ['-Rp', join(copy, CLUSTER), place]);
}

export type Standby = {
  readonly url: string;
  /** Resolves when the replica has everything that the primary has written so far. */
  caughtUp(): Promise<void>;
  promote(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts a copy as a streaming replica. @param primaryUrl where it reaches the server that it follows */
export async function startStandby(copy: string, primaryUrl: string): Promise<Standby> {
  const { hostname, port, username, password } = new URL(primaryUrl);
  const data = join(copy, CLUSTER);
  const follows = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
  appendFileSync(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${follows}'\n`);
  // The file must be in the replica's folder: its server reads it as the folder's owner.
  writeFileSync(join(data, 'standby.signal'), '');
  rmSync(join(data, 'postmaster.pid'), { force: true });
  const server = await startPostgres({ dataDir: copy, say: () => {} });
  return {
    url: server.url,
    caughtUp: async () => {
      const [now] = await queryRows(primaryUrl)<{ at: string }>`SELECT pg_current_wal_lsn()::text AS at`;
      await eventually('the replica to catch up', async () => {
        const [has] = await queryRows(server.url)<{ done: boolean }>`
          SELECT pg_last_wal_replay_lsn() >= ${now?.at}::pg_lsn AS done`;
        return has?.done === true;
      });
    },
    promote: async () => {
      await queryRows(server.url)`SELECT pg_promote(true, 60)`;
    },
    stop: () => server.stop(),
  };
}
