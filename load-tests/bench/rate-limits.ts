import { signIn } from '../lib/api-client.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { streamOf } from '../lib/generator.ts';
import { passThrough } from '../lib/pass-through.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';

const LEAST_SECONDS = 10;
const CONNECTIONS = 32;
const DEMO_USER = 'demo-user';
/** The requirement of rate limits. */
const CHECK_MS_MOST = 10;

type Route = { readonly name: string; readonly perSecond: number; readonly workload: WorkloadSpec };

/** Routes whose limits are counted in Redis before the request is read, at rates that one core can serve. */
async function routesOf(context: BenchContext, product: Product): Promise<readonly Route[]> {
  const bearer = async (login: Parameters<typeof signIn>[1]): Promise<Record<string, string>> => ({
    authorization: `Bearer ${(await signIn(product.api, login)).tokens.access_token}`,
  });
  const { user, admin } = product.credentials;
  await context.generator().put(DEMO_USER, [user.email]);
  return [
    {
      name: 'an ordinary route',
      perSecond: 200,
      workload: { kind: 'get', path: '/v1/api-keys', headers: await bearer(user) },
    },
    {
      name: 'an admin route',
      perSecond: 100,
      workload: { kind: 'get', path: '/v1/admin/users?limit=10', headers: await bearer(admin) },
    },
    {
      name: 'sign-in',
      perSecond: 2,
      workload: { kind: 'login', emails: DEMO_USER, password: user.password },
    },
  ];
}

/** Total seconds and number of checks so far, by the product's own histogram. */
async function checksOf(product: Product): Promise<{ readonly seconds: number; readonly count: number }> {
  const page = await (await fetch(product.metrics)).text();
  const total = (part: string): number => totalOf(page, `sallyport_rate_limit_check_seconds_${part}`);
  return { seconds: total('sum'), count: total('count') };
}

async function measure(context: BenchContext, product: Product, route: Route, how: string): Promise<Figure> {
  const { name, perSecond, workload } = route;
  const seconds = Math.max(LEAST_SECONDS, context.seconds);
  const arrival = { kind: 'open', connections: CONNECTIONS, perSecond } as const;
  const before = await checksOf(product);
  const result = await context.generator().run({
    warmUpSeconds: 1,
    seconds,
    streams: [{ name, api: product.api, workload, arrival }],
  });
  const { latency, failures, dropped } = streamOf(result);
  // A sign-in that finds the hashing queue full was checked all the same.
  const others = Object.keys(failures).filter((outcome) => outcome !== '503 hashing_busy');
  if (others.length > 0 || dropped > 0) throw new Error(`${name}: ${dropped} dropped, ${JSON.stringify(failures)}`);
  const after = await checksOf(product);
  const checks = after.count - before.count;
  const value = ((after.seconds - before.seconds) / checks) * 1_000;
  context.say(`${name} ${how}: ${value.toFixed(3)} ms a check`);
  return {
    name: `rate limit check on ${name}, ${how}`,
    unit: 'ms, average',
    value,
    target: { atMost: CHECK_MS_MOST },
    measured: { perSecond, checks, latency },
    detail: `${checks} checks at ${perSecond} requests a second; the whole request p50 ${latency.p50Ms.toFixed(2)} ms, p99 ${latency.p99Ms.toFixed(2)} ms`,
  };
}

export const rateLimits: Bench = {
  name: 'rate-limits',
  about: 'what a rate limit check adds on ordinary, admin and sign-in routes, with and without Redis',
  async run(context) {
    const stores = await context.product();
    const redis = await passThrough(context, new URL(stores.credentials.redis_url));
    const product = await context.start(
      { DATABASE_URL: stores.credentials.database_url, REDIS_URL: redis.url, BETTER_AUTH_URL: stores.api },
      { dataDir: stores.dataDir },
    );
    try {
      const routes = await routesOf(context, product);
      const figures: Figure[] = [];
      for (const route of routes) figures.push(await measure(context, product, route, 'with Redis'));
      await redis.cut();
      for (const route of routes) figures.push(await measure(context, product, route, 'without Redis'));
      return figures;
    } finally {
      await product.stop();
    }
  },
};
