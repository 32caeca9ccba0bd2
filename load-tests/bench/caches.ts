import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { requireClean } from '../lib/generator.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';
import { countedWhile, fillTokens, openStream, runOpen } from './setup.ts';

const CONNECTIONS = 16;
const STOCK = 'cached-tokens';

type Tier = {
  readonly name: string;
  /** A counter with the label `outcome`: hit or miss. */
  readonly metric: string;
  readonly perSecond: number;
  readonly work: WorkloadSpec;
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
  const cookies = answer.headers.getSetCookie();
  return cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ');
}

async function measure(context: BenchContext, product: Product, tier: Tier): Promise<Figure> {
  const { name, metric, perSecond, work, about } = tier;
  const counters = {
    hits: (page: string) => totalOf(page, metric, /outcome="hit"/),
    all: (page: string) => totalOf(page, metric),
  };
  const { hits, all } = await countedWhile(product, counters, async () =>
    requireClean(await runOpen(context, openStream(product, name, work, perSecond, CONNECTIONS))),
  );
  return {
    ...{ name: `hit rate, ${name}`, unit: 'share of look-ups', value: hits / all },
    detail: `${hits} of ${all} look-ups, ${about}`,
  };
}

/** A validation asks the memory of its process only; a session is read from Redis, then from Postgres. */
export const caches: Bench = {
  name: 'caches',
  about: 'hit rate of each cache: verified tokens in memory, sessions in Redis',
  limit: 'nothing at this load',
  async run(context) {
    const product = await context.product();
    await fillTokens(context, product, STOCK);
    const cookie = await sessionCookie(product);
    return [
      await measure(context, product, {
        name: 'verified tokens, in memory',
        metric: 'sallyport_token_verdict_cache_total',
        perSecond: 1_000,
        work: { kind: 'validate', stock: STOCK },
        about: 'a thousand new tokens, each validated in turn',
      }),
      await measure(context, product, {
        name: 'sessions, in Redis',
        metric: 'sallyport_session_cache_total',
        perSecond: 100,
        work: { kind: 'get', path: '/api/auth/session', headers: { cookie } },
        about: 'a new session read again and again',
      }),
    ];
  },
};
