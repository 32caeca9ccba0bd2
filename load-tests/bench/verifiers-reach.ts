import { revoke } from '../lib/api-client.ts';
import type { Bench } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { requestsByRoute } from '../lib/prometheus-text.ts';
import { endOnce, newReach, ofEach, shown, startFollowers, type VerifierKind } from '../lib/reach.ts';
import { basic } from '../lib/workloads.ts';
import { demoUserId } from './setup.ts';

const REVOCATIONS = 120;
const UNMEASURED = 5;

const VERIFIERS: readonly VerifierKind[] = [
  ['typescript', 'sse'],
  ['typescript', 'sse'],
  ['typescript', 'poll'],
  ['python', 'sse'],
  ['python', 'sse'],
  ['python', 'poll'],
  ['go', 'sse'],
  ['go', 'poll'],
];

const metricsOf = async (product: Product): Promise<string> => (await fetch(product.metrics)).text();

const asksAboutToken = (route: string): boolean => /introspect|validate|userinfo|verify/.test(route);

/** Requests that ask the product about a token. A first one shows that they are counted. */
async function countRequests(product: Product, work: () => Promise<void>) {
  const before = requestsByRoute(await metricsOf(product));
  const authorization = { ...basic(product.credentials.client), 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await fetch(`${product.api}/oauth2/introspect`, {
    method: 'POST',
    headers: authorization,
    body: 'token=x',
  });
  if (answer.status !== 200) throw new Error(`introspection answers ${answer.status}`);
  await work();
  const routes = [...requestsByRoute(await metricsOf(product))].map(
    ([route, count]) => [route, count - (before.get(route) ?? 0)] as const,
  );
  const asked = routes.reduce((sum, [route, count]) => sum + (asksAboutToken(route) ? count : 0), 0);
  if (asked === 0) throw new Error('the product did not count the introspection of the benchmark itself');
  return { asked: asked - 1, routes: Object.fromEntries(routes.filter(([, count]) => count > 0)) };
}

export const verifiersReach: Bench = {
  name: 'verifiers-reach',
  about: 'from a revocation to its refusal by eight verifiers in three languages',
  async run(context) {
    const product = await context.product();
    const userId = await demoUserId(product);
    const followers = await startFollowers(context, product, VERIFIERS);
    const { client } = product.credentials;
    const revokeOnce = (counted = newReach(followers)): Promise<void> =>
      endOnce(product, followers, userId, counted, (token) => revoke(product.api, client, token));
    for (let at = 0; at < UNMEASURED; at += 1) await revokeOnce();
    const reach = newReach(followers);
    const { asked, routes } = await countRequests(product, async () => {
      for (let at = 1; at <= REVOCATIONS; at += 1) {
        await revokeOnce(reach);
        if (at % 30 === 0) context.say(`${at} of ${REVOCATIONS} revocations: ${shown(reach.all.summary())}`);
      }
    });
    for (const { worker } of followers) await worker.close();
    const all = reach.all.summary();
    const last = reach.last.summary();
    const { verifiers, p99 } = ofEach(followers, reach);
    const counted = { revocations: REVOCATIONS, verifications: reach.verifications };
    const measured = { ...counted, all, last, requestsByRoute: routes, verifiers };
    return [
      {
        name: 'revoke to refusal at each of eight verifiers (3 TypeScript, 3 Python, 2 Go)',
        ...{ unit: 'ms, p99', value: all.p99Ms, target: { atMost: 1_000 }, measured },
        detail: `${REVOCATIONS} revocations, from the request; ${shown(all)}; p99 of each: ${p99} ms`,
      },
      {
        name: 'revoke to refusal at the last of the eight',
        ...{ unit: 'ms, p99', value: last.p99Ms, target: { atMost: 1_000 }, measured: last },
        detail: shown(last),
      },
      {
        name: 'requests meanwhile that asked the API about a token',
        ...{ unit: 'requests', value: asked, target: { atMost: 0 }, measured: routes },
        detail: `${reach.verifications} verifications`,
      },
    ];
  },
};
