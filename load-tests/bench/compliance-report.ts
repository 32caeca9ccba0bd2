import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { requestReport } from '#services/wings/compliance/reports/request-report.ts';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { residentMbOf } from '../lib/cpu-time.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { LoadResult } from '../lib/load-loop.ts';
import { alternate, medianOf, type Rounds } from '../lib/rounds.ts';
import { demoUserId, fill } from './setup.ts';

/** Fewer with `BENCH_AUDIT_EVENTS`; the name of a figure says how many. */
const EVENTS = Number(process.env.BENCH_AUDIT_EVENTS ?? 1_000_000);
const EVENTS_AT_ONCE = 20_000;
const VALIDATES_PER_SECOND = 1_000;
const CONNECTIONS = 64;
const WARM_UP_SECONDS = 2;
const LEAST_SECONDS = 10;
const LOOK_EVERY_MS = 100;
const LONGEST_MS = 1_200_000;

const insertEvents = `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail)
  SELECT 'token.issued', 'ok', 'user', 'u' || n % 5000, 'family', gen_random_uuid()::text, 'sallyport', '1.ip' || n, '1.agent',
    jsonb_build_object('n', n) FROM generate_series(1, $1::int) n`;

type Built = { readonly seconds: number; readonly peakMb: number; readonly grownMb: number };
type Phase = 'quiet' | 'reporting';
type Measured = LoadResult & { readonly built: Built | null };

const p99Of = (result: LoadResult): number => streamOf(result, 'validate').latency.p99Ms;

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const product = await context.product();
  const { api, apiPid, credentials } = product;
  const ports = createTestPorts(credentials.database_url);
  const database = new pg.Client({ connectionString: credentials.database_url });
  await database.connect();
  context.onClose(() => Promise.all([database.end(), ports.end()]).then(() => {}));
  const number = async (text: string, values: readonly unknown[] = []): Promise<number> =>
    Number(Object.values((await database.query(text, [...values])).rows[0] as object)[0]);

  context.say(`sealing ${EVENTS} events`);
  const before = await number('SELECT count(*) FROM audit_events');
  for (let left = EVENTS; left > 0; left -= EVENTS_AT_ONCE)
    await database.query(insertEvents, [Math.min(left, EVENTS_AT_ONCE)]);
  const patience = Date.now() + LONGEST_MS;
  for (let sealed = 0; sealed < EVENTS; await sleep(1_000)) {
    sealed = (await number('SELECT count(*) FROM audit_events')) - before;
    if (Date.now() > patience) throw new Error(`${sealed} of ${EVENTS} events were sealed in ${LONGEST_MS} ms`);
  }
  await database.query('ANALYZE audit_events, audit_personal, audit_outbox');

  const pairs = { kind: 'issue', client: credentials.client, userId: await demoUserId(product) } as const;
  await fill(context, 'report-tokens', 1_000, { ...pairs, collect: 'report-tokens', member: 'access_token' });
  const load = async (): Promise<LoadResult> =>
    requireClean(
      await context.generator().run({
        streams: [
          {
            name: 'validate',
            api,
            workload: { kind: 'validate', stock: 'report-tokens' },
            arrival: { kind: 'open', connections: CONNECTIONS, perSecond: VALIDATES_PER_SECOND },
          },
        ],
        warmUpSeconds: WARM_UP_SECONDS,
        seconds: Math.max(LEAST_SECONDS, context.seconds),
        pid: apiPid,
      }),
    );

  /** Memory is that of the worker whose memory grew most: the one that built the report. */
  async function build(): Promise<Built> {
    const workers = Object.entries(product.processes()).flatMap(([name, pid]) =>
      name.startsWith('worker') ? [{ pid, startMb: residentMbOf(pid), peakMb: 0 }] : [],
    );
    const { report_id } = await requestReport(ports, {}, testCaller);
    const until = Date.now() + LONGEST_MS;
    for (let isEnded = 0; isEnded === 0; await sleep(LOOK_EVERY_MS)) {
      for (const worker of workers) worker.peakMb = Math.max(worker.peakMb, residentMbOf(worker.pid));
      isEnded = await number('SELECT count(ended_at) FROM compliance_reports WHERE id = $1', [report_id]);
      if (Date.now() > until) throw new Error(`no report after ${LONGEST_MS} ms`);
    }
    const { rows } = await database.query(
      `SELECT status, extract(epoch FROM ended_at - requested_at)::float8 AS seconds FROM compliance_reports WHERE id = $1`,
      [report_id],
    );
    if (rows[0].status !== 'done') throw new Error(`the report ended as ${rows[0].status}`);
    const grown = workers.map(({ startMb, peakMb }) => ({ peakMb, grownMb: peakMb - startMb }));
    const [most] = grown.sort((one, other) => other.grownMb - one.grownMb);
    if (most === undefined) throw new Error('the product has no worker');
    return { seconds: rows[0].seconds, ...most };
  }

  const rounds = await alternate<Phase, Measured>(
    context.rounds,
    {
      quiet: async () => ({ ...(await load()), built: null }),
      reporting: async () => {
        const [built, result] = await Promise.all([build(), load()]);
        return { ...result, built };
      },
    },
    (round, { quiet, reporting }) =>
      context.say(
        `round ${round}: report in ${reporting.built?.seconds.toFixed(1)} s, worker ${reporting.built?.peakMb.toFixed(0)} MB; validate p99 ${p99Of(reporting).toFixed(2)} against ${p99Of(quiet).toFixed(2)} ms`,
      ),
  );
  return figuresOf(rounds);
}

function figuresOf(rounds: Rounds<Phase, Measured>): Figure[] {
  const over = `${EVENTS.toLocaleString('en')} audit events`;
  const measured = { events: EVENTS, validatesPerSecond: VALIDATES_PER_SECOND, rounds };
  const middle = (value: (built: Built) => number): number =>
    medianOf(rounds, ({ reporting }) => value(reporting.built as Built));
  const p99 = (phase: Phase): string => medianOf(rounds, (round) => p99Of(round[phase])).toFixed(2);
  return [
    {
      name: `full report over ${over}, requested to signed`,
      unit: 's',
      value: middle(({ seconds }) => seconds),
      target: { atMost: 60 },
      measured,
      detail: `while ${VALIDATES_PER_SECOND} tokens a second are validated`,
    },
    {
      name: `memory that it adds to its worker, over ${over}`,
      unit: 'MB, resident, at its peak',
      value: middle(({ grownMb }) => grownMb),
      target: { atMost: 300 },
      measured,
      detail: `the worker has ${middle(({ peakMb }) => peakMb).toFixed(0)} MB at its peak, with all its other jobs`,
    },
    {
      name: `validate at ${VALIDATES_PER_SECOND.toLocaleString('en')}/s: p99 during a report ÷ without`,
      unit: 'p99 ratio',
      value: medianOf(rounds, ({ quiet, reporting }) => p99Of(reporting) / p99Of(quiet)),
      target: { atMost: 1.25 },
      measured,
      detail: `p99 ${p99('reporting')} ms against ${p99('quiet')} ms`,
    },
  ];
}

export const complianceReport: Bench = {
  name: 'compliance-report',
  about: 'a full report over a million audit events, and validate at 1,000/s meanwhile',
  run,
};
