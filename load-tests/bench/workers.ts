import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import { bucketsOf, quantileBound } from '../lib/prometheus-text.ts';
import { demoUserId } from './setup.ts';

const EVENTS_PER_SECOND = 500;
const CONNECTIONS = 64;
const LEAST_SECONDS = 30;
const WARM_UP_SECONDS = 3;
const LOOK_EVERY_MS = 50;
const SEALED_WITHIN_MS = 60_000;

/** Seconds from an event's own time, which is before its COMMIT, until another process saw its leaf. */
async function watchLeaves(database: pg.Client, isOver: () => boolean): Promise<number[]> {
  const lags: number[] = [];
  const first = await database.query('SELECT coalesce(max(seq), -1) + 1 AS next FROM audit_events');
  let next = Number(first.rows[0].next);
  for (let isLast = false; !isLast; await sleep(LOOK_EVERY_MS)) {
    isLast = isOver();
    const { rows } = await database.query(
      'SELECT seq, extract(epoch FROM clock_timestamp() - occurred_at)::float8 AS lag FROM audit_events WHERE seq >= $1 ORDER BY seq',
      [next],
    );
    for (const { seq, lag } of rows) {
      lags.push(lag);
      next = Number(seq) + 1;
    }
  }
  return lags.sort((a, b) => a - b);
}

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const product = await context.product();
  const { api, apiPid, credentials, metrics } = product;
  const database = new pg.Client({ connectionString: credentials.database_url });
  await database.connect();
  context.onClose(() => database.end());
  const waits = async () => bucketsOf(await (await fetch(metrics)).text(), 'sallyport_job_wait_seconds');
  const unsealed = async (): Promise<number> =>
    (await database.query('SELECT count(*)::int AS rows FROM audit_outbox WHERE seq IS NULL')).rows[0].rows;

  const workload = { kind: 'issue', client: credentials.client, userId: await demoUserId(product) } as const;
  const seconds = Math.max(LEAST_SECONDS, context.seconds);
  const before = await waits();
  let isLoaded = true;
  const watching = watchLeaves(database, () => !isLoaded);
  const result = requireClean(
    await context.generator().run({
      streams: [
        {
          name: 'issue',
          api,
          workload,
          arrival: { kind: 'open', connections: CONNECTIONS, perSecond: EVENTS_PER_SECOND },
        },
      ],
      warmUpSeconds: WARM_UP_SECONDS,
      seconds,
      pid: apiPid,
    }),
  );
  const patience = Date.now() + SEALED_WITHIN_MS;
  for (; (await unsealed()) > 0; await sleep(LOOK_EVERY_MS))
    if (Date.now() > patience) throw new Error(`events were still unsealed after ${SEALED_WITHIN_MS} ms`);
  isLoaded = false;
  const lags = await watching;
  const wait = quantileBound(before, await waits(), 0.99);
  const { ok } = result.streams[0]!;
  if (lags.length < ok) throw new Error(`${ok} pairs issued, ${lags.length} leaves seen`);
  const at = (share: number): number => lags[Math.min(lags.length - 1, Math.floor(lags.length * share))]!;
  return [
    {
      name: `audit lag at ${EVENTS_PER_SECOND} events/s, p99`,
      unit: 's',
      value: at(0.99),
      target: { atMost: 5 },
      measured: { eventsPerSecond: EVENTS_PER_SECOND, seconds, issued: ok, leaves: lags.length },
      detail: `p50 ${at(0.5).toFixed(2)} s, most ${at(1).toFixed(2)} s; ${lags.length} leaves seen of ${ok} pairs issued and what else happened`,
    },
    {
      name: 'wait of jobs beside it, p99',
      unit: 's',
      value: wait.bound,
      target: { atMost: 1 },
      measured: { jobs: wait.count },
      detail: `upper bound of its bucket, over ${wait.count} jobs of every queue`,
    },
  ];
}

export const workers: Bench = {
  name: 'workers',
  about: 'how long an event waits for its seal at 500 a second, and how long jobs wait',
  run,
};
