import type { Bench } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import { alternate, medianOf } from '../lib/rounds.ts';
import { demoUserId, fill } from './setup.ts';

const VALIDATES_PER_SECOND = 1_000;
const ISSUES_PER_SECOND = 50;
const LEAST_SECONDS = 10;

export const latency: Bench = {
  name: 'latency',
  about: 'open model: validate at 1,000/s beside 50 pairs issued a second',
  async run(context) {
    const { api, apiPid, credentials, metrics } = await context.product();
    const userId = await demoUserId(await context.product());
    const pairs = { kind: 'issue', client: credentials.client, userId } as const;
    await fill(context, 'latency-tokens', 1_000, { ...pairs, collect: 'latency-tokens', member: 'access_token' });
    const limiterChecks = async () => {
      const page = await (await fetch(metrics)).text();
      const total = (part: string): number => totalOf(page, `sallyport_rate_limit_check_seconds_${part}`);
      return { seconds: total('sum'), count: total('count') };
    };
    const before = await limiterChecks();
    const rounds = await alternate(context.rounds, {
      both: async () =>
        requireClean(
          await context.generator().run({
            warmUpSeconds: 2,
            seconds: Math.max(LEAST_SECONDS, context.seconds),
            pid: apiPid,
            streams: [
              {
                name: 'validate',
                api,
                workload: { kind: 'validate', stock: 'latency-tokens' },
                arrival: { kind: 'open', connections: 64, perSecond: VALIDATES_PER_SECOND },
              },
              {
                name: 'issue',
                api,
                workload: pairs,
                arrival: { kind: 'open', connections: 64, perSecond: ISSUES_PER_SECOND },
              },
            ],
          }),
        ),
    });
    const after = await limiterChecks();
    const checks = after.count - before.count;
    const generationMs = medianOf(rounds, ({ both }) => streamOf(both, 'issue').latency.meanMs);
    const p99Ms = medianOf(rounds, ({ both }) => streamOf(both, 'validate').latency.p99Ms);
    const cores = medianOf(rounds, ({ both }) => both.cpuSeconds / both.seconds);
    return [
      {
        name: 'token generation, average',
        unit: 'ms',
        value: generationMs,
        target: { atMost: 100 },
        measured: { validatesPerSecond: VALIDATES_PER_SECOND, issuesPerSecond: ISSUES_PER_SECOND, rounds },
        detail: `POST /v1/tokens at ${ISSUES_PER_SECOND}/s, p99 ${medianOf(rounds, ({ both }) => streamOf(both, 'issue').latency.p99Ms).toFixed(2)} ms`,
      },
      {
        name: 'validation at 1,000/s, p99',
        unit: 'ms',
        value: p99Ms,
        target: { atMost: 50 },
        measured: {},
        detail: `none dropped, no error; p50 ${medianOf(rounds, ({ both }) => streamOf(both, 'validate').latency.p50Ms).toFixed(2)} ms; API on ${cores.toFixed(2)} cores`,
      },
      {
        name: 'rate limit check on validate, average',
        unit: 'ms',
        value: ((after.seconds - before.seconds) / checks) * 1_000,
        target: { atMost: 10 },
        measured: { checks },
        detail: `${checks} checks of the same runs, by the product's own histogram`,
      },
    ];
  },
};
