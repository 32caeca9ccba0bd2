import { signIn } from '../lib/api-client.ts';
import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { streamOf } from '../lib/generator.ts';
import type { LoadResult } from '../lib/load-loop.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';
import { copyOf, countedWhile, openStream, runOpen } from './setup.ts';

const CONNECTIONS = 32;
const DEMO_USER = 'demo-user';
/** The requirement of rate limits. */
const CHECK_MS_MOST = 10;
const CHECKS = 'sallyport_rate_limit_check_seconds';

type Route = { readonly name: string; readonly perSecond: number; readonly work: WorkloadSpec };

/** Routes whose limits are counted in Redis before the request is read, at rates that one core can serve. */
async function routesOf(context: BenchContext, { api, credentials }: Product): Promise<readonly Route[]> {
  const getAs = async (login: Parameters<typeof signIn>[1], path: string): Promise<WorkloadSpec> => ({
    ...{ kind: 'get', path },
    headers: { authorization: `Bearer ${(await signIn(api, login)).tokens.access_token}` },
  });
  const { user, admin } = credentials;
  await context.generator().put(DEMO_USER, [user.email]);
  return [
    { name: 'an ordinary route', perSecond: 200, work: await getAs(user, '/v1/api-keys') },
    { name: 'an admin route', perSecond: 100, work: await getAs(admin, '/v1/admin/users?limit=10') },
    { name: 'sign-in', perSecond: 2, work: { kind: 'login', emails: DEMO_USER, password: user.password } },
  ];
}

/** By the product's own histogram. */
async function measure(context: BenchContext, product: Product, route: Route, how: string): Promise<Figure> {
  const { name, perSecond, work } = route;
  let result: LoadResult | undefined;
  const counters = {
    seconds: (page: string) => totalOf(page, `${CHECKS}_sum`),
    checks: (page: string) => totalOf(page, `${CHECKS}_count`),
  };
  const { seconds, checks } = await countedWhile(product, counters, async () => {
    result = await runOpen(context, openStream(product, name, work, perSecond, CONNECTIONS));
  });
  const { latency, failures, dropped } = streamOf(result!);
  // A sign-in that finds the hashing queue full was checked all the same.
  const others = Object.keys(failures).filter((outcome) => outcome !== '503 hashing_busy');
  if (others.length > 0 || dropped > 0) throw new Error(`${name}: ${dropped} dropped, ${JSON.stringify(failures)}`);
  const value = (seconds / checks) * 1_000;
  context.say(`${name} ${how}: ${value.toFixed(3)} ms a check`);
  return {
    ...{ name: `rate limit check on ${name}, ${how}`, unit: 'ms, average', value },
    ...{ target: { atMost: CHECK_MS_MOST }, measured: { perSecond, checks, latency } },
    detail: `${checks} checks at ${perSecond} requests a second; the whole request p50 ${latency.p50Ms.toFixed(2)} ms, p99 ${latency.p99Ms.toFixed(2)} ms`,
  };
}

export const rateLimits: Bench = {
  name: 'rate-limits',
  about: 'what a rate limit check adds on ordinary, admin and sign-in routes, with and without Redis',
  limit: 'a round trip to Redis',
  async run(context) {
    const { copy, cutRedis } = await copyOf(context, await context.product());
    try {
      const routes = await routesOf(context, copy);
      const figures: Figure[] = [];
      for (const route of routes) figures.push(await measure(context, copy, route, 'with Redis'));
      await cutRedis();
      for (const route of routes) figures.push(await measure(context, copy, route, 'without Redis'));
      return figures;
    } finally {
      await copy.stop();
    }
  },
};
