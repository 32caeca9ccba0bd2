import { setTimeout as sleep } from 'node:timers/promises';
import { issue, revoke } from '../lib/api-client.ts';
import type { Bench, BenchContext } from '../lib/bench.ts';
import { LatencyHistogram, type LatencySummary } from '../lib/latency-histogram.ts';
import type { LineProcess } from '../lib/line-process.ts';
import type { Product } from '../lib/product.ts';
import { requestsByRoute } from '../lib/prometheus-text.ts';
import { startVerifier, type VerifierLanguage } from '../lib/verifier-process.ts';
import { basic } from '../lib/workloads.ts';
import { demoUserId } from './setup.ts';

const REVOCATIONS = 120;
const UNMEASURED = 5;
/** At random below this, so that revocations meet every phase of the polls. */
const LONGEST_GAP_MS = 300;
const REFUSALS = new Set(['revoked', 'session_ended']);

type Feed = 'sse' | 'poll';
const VERIFIERS: readonly (readonly [VerifierLanguage, Feed])[] = [
  ['typescript', 'sse'],
  ['typescript', 'sse'],
  ['typescript', 'poll'],
  ['python', 'sse'],
  ['python', 'sse'],
  ['python', 'poll'],
  ['go', 'sse'],
  ['go', 'poll'],
];

type Follower = { readonly language: VerifierLanguage; readonly feed: Feed; readonly worker: LineProcess };
type Refusal = { readonly code: string; readonly verifications: number };

async function startFollowers(context: BenchContext, product: Product): Promise<Follower[]> {
  const { client_id: clientId, client_secret: clientSecret } = product.credentials.client;
  const followers: Follower[] = [];
  for (const [language, feed] of VERIFIERS) {
    const worker = await startVerifier(context, language);
    await worker.ask({ operation: 'follow', issuer: product.api, clientId, clientSecret, feed });
    followers.push({ language, feed, worker });
  }
  return followers;
}

/** One histogram a verifier, one for all of them, and one for the last of them each time. */
type Reach = {
  readonly each: readonly LatencyHistogram[];
  readonly all: LatencyHistogram;
  readonly last: LatencyHistogram;
  verifications: number;
};

const newReach = (): Reach => ({
  each: VERIFIERS.map(() => new LatencyHistogram()),
  all: new LatencyHistogram(),
  last: new LatencyHistogram(),
  verifications: 0,
});

/** Revokes a token and waits until every verifier has reported its refusal, which all count from the request. */
async function revokeOnce(product: Product, followers: readonly Follower[], userId: string, reach: Reach) {
  const { client } = product.credentials;
  const { access_token: token } = await issue(product.api, client, userId);
  for (const { language, feed, worker } of followers) {
    const { code } = await worker.ask<Refusal>({ operation: 'verify', token });
    if (code !== 'active') throw new Error(`${language} (${feed}) answers ${code} before the revocation`);
  }
  let sentMs: number | undefined;
  const refused = followers.map(async ({ language, feed, worker }, at) => {
    const { code, verifications } = await worker.ask<Refusal>({ operation: 'refused', token });
    if (sentMs === undefined) throw new Error(`${language} (${feed}) answers ${code} before the revocation`);
    const tookMs = performance.now() - sentMs;
    if (!REFUSALS.has(code)) throw new Error(`${language} (${feed}) answers ${code} to a revoked token`);
    reach.each[at]?.record(tookMs);
    reach.all.record(tookMs);
    reach.verifications += verifications;
    return tookMs;
  });
  // Every verifier is by now asked about the token without a pause.
  await sleep(Math.random() * LONGEST_GAP_MS);
  sentMs = performance.now();
  await revoke(product.api, client, token);
  reach.last.record(Math.max(...(await Promise.all(refused))));
}

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

const shown = ({ p50Ms, p99Ms, maxMs }: LatencySummary): string =>
  `p50 ${p50Ms.toFixed(0)}, p99 ${p99Ms.toFixed(0)}, most ${maxMs.toFixed(0)} ms`;

export const verifiersReach: Bench = {
  name: 'verifiers-reach',
  about: 'from a revocation to its refusal by eight verifiers in three languages',
  async run(context) {
    const product = await context.product();
    const userId = await demoUserId(product);
    const followers = await startFollowers(context, product);
    for (let at = 0; at < UNMEASURED; at += 1) await revokeOnce(product, followers, userId, newReach());
    const reach = newReach();
    const { asked, routes } = await countRequests(product, async () => {
      for (let at = 1; at <= REVOCATIONS; at += 1) {
        await revokeOnce(product, followers, userId, reach);
        if (at % 30 === 0) context.say(`${at} of ${REVOCATIONS} revocations: ${shown(reach.all.summary())}`);
      }
    });
    for (const { worker } of followers) await worker.close();
    const all = reach.all.summary();
    const last = reach.last.summary();
    const measured = {
      ...{ revocations: REVOCATIONS, verifications: reach.verifications, all, last, requestsByRoute: routes },
      verifiers: VERIFIERS.map(([language, feed], at) => ({ language, feed, ...reach.each[at]?.summary() })),
    };
    const by = VERIFIERS.map(
      ([language, feed], at) => `${language} ${feed} ${reach.each[at]?.summary().p99Ms.toFixed(0)}`,
    );
    return [
      {
        name: 'revoke to refusal at each of eight verifiers (3 TypeScript, 3 Python, 2 Go)',
        ...{ unit: 'ms, p99', value: all.p99Ms, target: { atMost: 1_000 }, measured },
        detail: `${REVOCATIONS} revocations, from the request; ${shown(all)}; p99 of each: ${by.join(', ')} ms`,
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
