import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { modules } from '#services/modules.ts';
import type { Bench } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { pairsOf, seedUsers } from '../lib/pool.ts';

const USERS = 5_000;
const EVENTS = 50_000;
const LONGEST_MS = 300_000;
const UNIT = 'bytes, with indexes';

const auditTables: ReadonlySet<string> = new Set(modules.find(({ name }) => name === 'audit')?.tables);

/** Rows of the outbox are removed some days after they are sealed. */
function partOf(table: string): 'log' | 'outbox' | 'others' {
  if (!auditTables.has(table)) return 'others';
  return table === 'audit_outbox' ? 'outbox' : 'log';
}

/** Sign-ins and tokens as they are issued all day; the log is measured apart, because it grows with events. */
const insertEvents = `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail)
  SELECT 'token.issued', 'ok', 'user', 'u' || n % 5000, 'family', gen_random_uuid()::text, 'sallyport', '1.ip' || n, '1.agent',
    jsonb_build_object('n', n) FROM generate_series(1, $1::int) n`;

/** What a user and an event take in the stores. */
export const storage: Bench = {
  name: 'storage',
  about: `bytes in PostgreSQL and Redis for ${USERS} signed-in users and ${EVENTS} audit events`,
  limit: 'nothing: bytes, whatever the load',
  async run(context) {
    const product = await context.start();
    const database = new pg.Client({ connectionString: product.credentials.database_url });
    await database.connect();
    const redis = new Redis(product.credentials.redis_url);
    context.onClose(() => Promise.all([database.end(), redis.quit()]).then(() => {}));

    /** What the stores hold after a full vacuum: live rows, without room that is free for new ones. */
    async function measure() {
      const waiting = async (): Promise<number> =>
        Number((await database.query('SELECT count(*) AS n FROM audit_outbox WHERE seq IS NULL')).rows[0].n);
      for (const until = Date.now() + LONGEST_MS; (await waiting()) > 0; await sleep(500))
        if (Date.now() > until) throw new Error(`events were not sealed within ${LONGEST_MS} ms`);
      await database.query('VACUUM FULL');
      const { rows } = await database.query<{ name: string; bytes: string }>(
        `SELECT coalesce((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid), relname) AS name,
           pg_total_relation_size(c.oid) AS bytes
         FROM pg_class c WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`,
      );
      const sum = (part: 'log' | 'outbox' | 'others'): number =>
        rows.filter(({ name }) => partOf(name) === part).reduce((all, { bytes }) => all + Number(bytes), 0);
      const [, used] = /used_memory_dataset:(\d+)/.exec(await redis.info('memory')) ?? [];
      const { rows: counted } = await database.query('SELECT count(*) AS n FROM audit_events');
      return {
        log: sum('log'),
        outbox: sum('outbox'),
        others: sum('others'),
        redis: Number(used),
        sealed: Number(counted[0].n),
      };
    }

    const before = await measure();
    const { users } = await seedUsers(product.dataDir, USERS, context.say);
    const pairs = await pairsOf(product.api, users);
    const signedIn = await measure();
    await database.query(insertEvents, [EVENTS]);
    const logged = await measure();

    const figure = (name: string, unit: string, bytes: number, count: number): Figure => ({
      name,
      unit,
      value: bytes / count,
      measured: { before, signedIn, logged },
      detail: `${(bytes / 1e6).toFixed(1)} MB for ${count}`,
    });
    const events = logged.sealed - signedIn.sealed;
    return [
      figure('PostgreSQL, a signed-in user', UNIT, signedIn.others - before.others, users.length),
      figure('PostgreSQL, a sealed event', UNIT, logged.log - signedIn.log, events),
      figure('PostgreSQL, an event in the outbox', UNIT, logged.outbox - signedIn.outbox, events),
      figure('Redis, a live token pair', 'bytes', signedIn.redis - before.redis, pairs.length),
    ];
  },
};
