import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';
import { demoUserId, fill } from './setup.ts';

const TOKENS = 1_000;
const CONNECTIONS = 16;
const LEAST_SECONDS = 10;

type Tier = {
  readonly name: string;
  /** A counter with the label `outcome`: hit or miss. */
  readonly metric: string;
  readonly perSecond: number;
  readonly workload: WorkloadSpec;
  readonly about: string;
};

/** The session cookie of the demo user. */
async function sessionCookie({ api, credentials: { user } }: Product): Promise<string> {
  const answer = await fetch(`${api}/api/auth/signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: user.email, password: user.password }),
  });
  if (answer.status !== 200) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';', 1)[0])
    .join('; ');
}

async function lookUps({ metrics }: Product, metric: string): Promise<{ readonly hits: number; readonly all: number }> {
  const page = await (await fetch(metrics)).text();
  const hits = page.split('\n').filter((line) => line.startsWith(metric) && line.includes('outcome="hit"'));
  return { hits: hits.length === 0 ? 0 : totalOf(hits.join('\n'), metric), all: totalOf(page, metric) };
}

async function measure(context: BenchContext, product: Product, tier: Tier): Promise<Figure> {
  const { name, metric, perSecond, workload, about } = tier;
  const before = await lookUps(product, metric);
  requireClean(
    await context.generator().run({
      warmUpSeconds: 0,
      seconds: Math.max(LEAST_SECONDS, context.seconds),
      streams: [{ name, api: product.api, workload, arrival: { kind: 'open', connections: CONNECTIONS, perSecond } }],
    }),
  );
  const after = await lookUps(product, metric);
  const [hits, all] = [after.hits - before.hits, after.all - before.all];
  return {
    name: `hit rate, ${name}`,
    unit: 'share of look-ups',
    value: hits / all,
    measured: { hits, all, perSecond },
    detail: `${hits} of ${all} look-ups, ${about}`,
  };
}

/** A validation asks the memory of its process only; a session is read from Redis, then from Postgres. */
export const caches: Bench = {
  name: 'caches',
  about: 'hit rate of each cache: verified tokens in memory, sessions in Redis',
  async run(context) {
    const product = await context.product();
    const { client } = product.credentials;
    const stock = 'cached-tokens';
    const userId = await demoUserId(product);
    await fill(context, stock, TOKENS, { kind: 'issue', client, userId, collect: stock, member: 'access_token' });
    const tiers: readonly Tier[] = [
      {
        name: 'verified tokens, in memory',
        metric: 'sallyport_token_verdict_cache_total',
        perSecond: 1_000,
        workload: { kind: 'validate', stock },
        about: `${TOKENS} new tokens, each validated in turn`,
      },
      {
        name: 'sessions, in Redis',
        metric: 'sallyport_session_cache_total',
        perSecond: 100,
        workload: { kind: 'get', path: '/api/auth/session', headers: { cookie: await sessionCookie(product) } },
        about: 'a new session read again and again',
      },
    ];
    const figures: Figure[] = [];
    for (const tier of tiers) figures.push(await measure(context, product, tier));
    return figures;
  },
};
