import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { sendSignal } from '#services/platform/local/processes.ts';
import type { System } from '../system.ts';
import { type Fault, fault, whileStopped } from './fault.ts';

async function restartStore(system: System, store: 'postgres' | 'redis', signal: NodeJS.Signals): Promise<void> {
  await system.stores.end(store, signal);
  await sleep(500);
  await system.stores.revive(store);
  system.relink();
}

const HELD_LONG_MS = 30_000;

const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`;

/** Sessions of the fault's own, in which a statement of the product's meets what they did. */
async function withSessions(system: System, sessions: number, work: (clients: readonly pg.Client[]) => Promise<void>) {
  const clients: pg.Client[] = [];
  try {
    for (let at = 0; at < sessions; at += 1) {
      const client = new pg.Client({ connectionString: system.stores.url('postgres'), connectionTimeoutMillis: 2_000 });
      client.on('error', () => {});
      try {
        await client.connect();
        clients.push(client);
      } catch {
        // No place is left: that is what was wanted.
        break;
      }
    }
    await work(clients);
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}

const DEADLOCK = '40P01';

/** Locks tables as an ALTER TABLE does, until the session ends: again where a statement of the product was in the way. */
async function lockTables(client: pg.Client | undefined, tables: string): Promise<void> {
  for (;;)
    try {
      await client?.query(`BEGIN; SET LOCAL lock_timeout = '10s'; LOCK TABLE ${tables} IN ACCESS EXCLUSIVE MODE`);
      return;
    } catch (err) {
      if ((err as { code?: unknown }).code !== DEADLOCK) throw err;
      await client?.query('ROLLBACK');
    }
}

async function onRedis(system: System, work: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(system.stores.url('redis'), { maxRetriesPerRequest: 1 });
  redis.on('error', () => {});
  try {
    await work(redis);
  } finally {
    redis.disconnect();
  }
}

export const storeFaults: readonly Fault[] = [
  fault('kill-backend', async ({ system, random }) => {
    const [, ...backends] = system.stores.pids('postgres');
    const pid = random.pick(backends);
    if (pid !== undefined) sendSignal(pid, 'SIGKILL');
    await sleep(1_000);
  }),
  fault('kill-postgres', ({ system }) => restartStore(system, 'postgres', 'SIGKILL')),
  fault('stop-postgres', ({ system }) => restartStore(system, 'postgres', 'SIGINT')),
  fault('freeze-postmaster', ({ system: { stores } }) =>
    whileStopped(stores.pids('postgres').slice(0, 1), () => sleep(5_000)),
  ),
  fault('freeze-postgres', ({ system: { stores } }) => whileStopped(stores.pids('postgres'), () => sleep(4_000))),
  fault('termination-storm', async ({ system }) => {
    for (let at = 0; at < 20; at += 1) {
      await system.stores.query(terminate).catch(() => {});
      await sleep(100);
    }
  }),
  fault('read-only', async ({ system }) => {
    const set = (value: 'on' | 'off'): Promise<unknown> =>
      withSessions(system, 1, async ([client]) => {
        await client?.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
        await client?.query('SELECT pg_reload_conf()');
      });
    await set('on');
    await sleep(4_000);
    await set('off');
  }),
  fault('connections-used-up', ({ system }) => withSessions(system, 220, () => sleep(4_000))),
  fault('table-locks', ({ system }) =>
    withSessions(system, 1, async ([client]) => {
      await lockTables(client, 'refresh_families, revocations');
      await sleep(4_000);
    }).catch(() => undefined),
  ),
  fault(
    'table-locks-half-a-minute',
    ({ system }) =>
      withSessions(system, 1, async ([client]) => {
        await lockTables(client, 'refresh_families, sessions, users, audit_outbox');
        await sleep(HELD_LONG_MS);
      }).catch(() => undefined),
    { hangs: 30 },
  ),
  fault('idle-snapshot', ({ system }) =>
    withSessions(system, 1, async ([client]) => {
      await client?.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM refresh_families');
      await sleep(8_000);
    }),
  ),
  fault('kill-redis', ({ system }) => restartStore(system, 'redis', 'SIGKILL')),
  fault('freeze-redis', ({ system: { stores } }) => whileStopped(stores.pids('redis'), () => sleep(6_000))),
  fault('flush-redis', ({ system }) => onRedis(system, (redis) => redis.flushall())),
  fault('kill-redis-clients', ({ system }) =>
    onRedis(system, (redis) => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')),
  ),
  fault('full-redis', ({ system }) =>
    onRedis(system, async (redis) => {
      const [, before] = (await redis.config('GET', 'maxmemory')) as [string, string];
      await redis.config('SET', 'maxmemory', '1');
      try {
        await sleep(5_000);
      } finally {
        await redis.config('SET', 'maxmemory', before);
      }
    }),
  ),
];
