import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { cleanUpExpiredTokensJob } from '#jobs/contracts/tokens.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { LoadResult, StreamSpec } from '../lib/load-loop.ts';
import { alternate, medianOf, type Rounds } from '../lib/rounds.ts';
import { demoUserId, fill } from './setup.ts';

const VALIDATES_PER_SECOND = 1_000;
const REFRESHES_PER_SECOND = 100;
const CONNECTIONS = 64;
const WARM_UP_SECONDS = 2;
const LEAST_SECONDS = 10;
/** A week of 7,000 sessions a day that no user ended: more than is removed during the measurement. */
const EXPIRED_LOGINS = 50_000;
const EXPIRED_SESSIONS = 2_000;

const week = `now() - interval '3 days' - interval '7 days' * n`;
// A replica's session runs no row trigger: what is measured is the clean-up, not sealing of events that never happened.
const statements = [
  'SET session_replication_role = replica',
  `INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound, sid, user_id,
     user_epoch, client_epoch, scope, audience, auth_time)
   SELECT gen_random_uuid(), e, e, sha256(n::text::bytea), 1, 1, 'sallyport', false, 'gone-' || n, 'u' || n % 3000, 0, 0, 'openid', 'x', e
   FROM generate_series(1, ${EXPIRED_LOGINS}) n, LATERAL (SELECT ${week} / ${EXPIRED_LOGINS} AS e) ends`,
  `INSERT INTO sessions (id, "userId", "expiresAt", token)
   SELECT 'gone-' || n, (SELECT id FROM users LIMIT 1), ${week} / ${EXPIRED_SESSIONS}, gen_random_uuid() FROM generate_series(1, ${EXPIRED_SESSIONS}) n`,
  'RESET session_replication_role',
];
const expiredLeft = `SELECT (SELECT count(*) FROM refresh_families WHERE expires_at < now() - interval '2 days')::int AS logins,
  (SELECT count(*) FROM sessions WHERE "expiresAt" < now() - interval '2 days')::int AS sessions`;

type Phase = 'quiet' | 'cleaning';
type Measured = LoadResult & { readonly removed: number };

const p99Of = (result: LoadResult, stream: string): number => streamOf(result, stream).latency.p99Ms;

function figure(stream: string, perSecond: number, rounds: Rounds<Phase, Measured>): Figure {
  const middle = (phase: Phase): string => medianOf(rounds, (round) => p99Of(round[phase], stream)).toFixed(2);
  return {
    name: `${stream} at ${perSecond.toLocaleString('en')}/s: p99 during clean-up ÷ without`,
    unit: 'p99 ratio',
    value: medianOf(rounds, ({ quiet, cleaning }) => p99Of(cleaning, stream) / p99Of(quiet, stream)),
    target: { atMost: 1.25 },
    measured: {
      validatesPerSecond: VALIDATES_PER_SECOND,
      refreshesPerSecond: REFRESHES_PER_SECOND,
      expiredLogins: EXPIRED_LOGINS,
      expiredSessions: EXPIRED_SESSIONS,
      rounds,
    },
    detail: `p99 ${middle('cleaning')} ms against ${middle('quiet')} ms; ${medianOf(rounds, ({ cleaning }) => cleaning.removed / cleaning.seconds).toFixed(0)} rows removed a second meanwhile`,
  };
}

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const product = await context.product();
  const { api, apiPid, credentials } = product;
  const database = new pg.Client({ connectionString: credentials.database_url });
  await database.connect();
  const producer = createProducer(credentials.redis_url, (err) => context.say(err.message));
  await producer.ready(10_000);
  context.onClose(() => Promise.all([database.end(), producer.close()]).then(() => {}));
  const left = async (): Promise<number> => {
    const { logins, sessions } = (await database.query(expiredLeft)).rows[0] as { logins: number; sessions: number };
    return logins + sessions;
  };

  const pairs = { kind: 'issue', client: credentials.client, userId: await demoUserId(product) } as const;
  await fill(context, 'cleanup-tokens', 1_000, { ...pairs, collect: 'cleanup-tokens', member: 'access_token' });
  await fill(context, 'cleanup-families', CONNECTIONS, { ...pairs, collect: 'cleanup-families' });
  const stream = (name: 'validate' | 'refresh', stock: string, perSecond: number): StreamSpec => ({
    name,
    api,
    workload: { kind: name, stock },
    arrival: { kind: 'open', connections: CONNECTIONS, perSecond },
  });
  const streams = [
    stream('validate', 'cleanup-tokens', VALIDATES_PER_SECOND),
    stream('refresh', 'cleanup-families', REFRESHES_PER_SECOND),
  ];
  const seconds = Math.max(LEAST_SECONDS, context.seconds);
  const load = async (): Promise<LoadResult> =>
    requireClean(await context.generator().run({ streams, warmUpSeconds: WARM_UP_SECONDS, seconds, pid: apiPid }));

  const cleaning = async (): Promise<Measured> => {
    for (const statement of statements) await database.query(statement);
    await database.query('ANALYZE refresh_families, sessions');
    const before = await left();
    for (const job of [cleanUpExpiredTokensJob, cleanUpExpiredSessionsJob])
      await producer.enqueue(job, {}, { dedupe: 'bench' });
    while ((await left()) === before) await sleep(20);
    const result = await load();
    const after = await left();
    if (after === 0) throw new Error('everything was gone before the measurement was over: give it more rows');
    for (; (await left()) > 0; await sleep(500));
    return { ...result, removed: before - after };
  };
  const rounds = await alternate<Phase, Measured>(
    context.rounds,
    { quiet: async () => ({ ...(await load()), removed: 0 }), cleaning },
    (round, { quiet, cleaning: busy }) =>
      context.say(
        `round ${round}: validate p99 ${p99Of(busy, 'validate').toFixed(2)} against ${p99Of(quiet, 'validate').toFixed(2)} ms, refresh ${p99Of(busy, 'refresh').toFixed(2)} against ${p99Of(quiet, 'refresh').toFixed(2)} ms, ${busy.removed} rows`,
      ),
  );
  return [figure('validate', VALIDATES_PER_SECOND, rounds), figure('refresh', REFRESHES_PER_SECOND, rounds)];
}

export const cleanup: Bench = {
  name: 'cleanup',
  about: 'validate at 1,000/s, and refreshes, while a week of expired logins and sessions is removed',
  run,
};
