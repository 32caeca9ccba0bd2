import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectionsOf } from '#services/api/stores.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { workerConnectionsOf } from '#services/worker/compose.ts';
import { now } from './ledger.ts';
import type { StoreName } from './stores.ts';
import type { System } from './system.ts';

type PerStore = Readonly<Record<StoreName, number>>;

/** What the stores saw of the product at one moment. */
export type StoreSample = {
  readonly atMs: number;
  /** Sessions of PostgreSQL by application name; undefined where it did not answer. */
  readonly sessions?: Readonly<Record<string, number>>;
  /** Messages that both copies have sent so far, and connections that they have opened. */
  readonly sent: PerStore;
  readonly opened: PerStore;
};

const EVERY_MS = 250;
const ANSWER_MS = 1_000;

const SESSIONS = `SELECT application_name AS name, count(*)::int AS n FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND application_name LIKE 'sallyport-%' GROUP BY 1`;

/** Two copies of the API, and the MCP server beside one of them, have pools of their own. */
const POOLED = 3;

/** How many sessions each application of both copies may have in PostgreSQL. */
export function sessionLimits(env: Readonly<Record<string, string>>): ReadonlyMap<string, number> {
  const config = loadConfig(env);
  const pools = Object.entries(connectionsOf(config)).map(
    ([pool, connections]) => [`sallyport-${pool}`, POOLED * connections] as const,
  );
  return new Map([...pools, ['sallyport-worker', 2 * workerConnectionsOf(config)]]);
}

/** Looks at the stores a few times a second, on a session that it keeps. The returned function ends that. */
export function watchStores(
  { stores, copies }: Pick<System, 'stores' | 'copies'>,
  samples: StoreSample[],
): () => Promise<void> {
  const links = [copies.A.links, copies.B.links];
  let client: pg.Client | undefined;
  let isRunning = true;
  const drop = (): void => {
    client?.end().catch(() => {});
    client = undefined;
  };
  const sessions = async (): Promise<Readonly<Record<string, number>> | undefined> => {
    try {
      if (client === undefined) {
        const options = { connectionTimeoutMillis: ANSWER_MS, query_timeout: ANSWER_MS };
        client = new pg.Client({ connectionString: stores.url('postgres'), ...options });
        client.on('error', () => {});
        await client.connect();
      }
      const { rows } = await client.query<{ name: string; n: number }>(SESSIONS);
      return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
    } catch {
      drop();
      return undefined;
    }
  };
  const sumOf = (count: 'messages' | 'connections'): PerStore => ({
    postgres: links.reduce((sum, { postgres }) => sum + postgres[count](), 0),
    redis: links.reduce((sum, { redis }) => sum + redis[count](), 0),
  });
  const watching = (async () => {
    while (isRunning) {
      const seen = await sessions();
      samples.push({
        atMs: now(),
        ...(seen === undefined ? {} : { sessions: seen }),
        sent: sumOf('messages'),
        opened: sumOf('connections'),
      });
      await sleep(EVERY_MS);
    }
  })();
  return async () => {
    isRunning = false;
    await watching;
    drop();
  };
}
