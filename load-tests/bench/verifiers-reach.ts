import { setTimeout as sleep } from 'node:timers/promises';
import { issue, revoke } from '../lib/api-client.ts';
import type { Bench, BenchContext } from '../lib/bench.ts';
import { LatencyHistogram, type LatencySummary } from '../lib/latency-histogram.ts';
import type { LineProcess } from '../lib/line-process.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import { startVerifier, type VerifierLanguage } from '../lib/verifier-process.ts';
import { basic } from '../lib/workloads.ts';
import { countedWhile, demoUserId } from './setup.ts';

const REVOCATIONS = 120;
const UNMEASURED = 5;
/** At random below this, so that revocations meet every phase of the polls. */
const LONGEST_GAP_MS = 300;
const REACH_MS = 1_000;
/** Routes that ask the product about a token. */
const ASKING = /route="[^"]*(introspect|validate|userinfo|verify)/;
const REQUESTS = 'http_server_request_duration_seconds_count';

const VERIFIERS: readonly (readonly [VerifierLanguage, 'sse' | 'poll'])[] = [
  ['typescript', 'sse'],
  ['typescript', 'sse'],
  ['typescript', 'poll'],
  ['python', 'sse'],
  ['python', 'sse'],
  ['python', 'poll'],
  ['go', 'sse'],
  ['go', 'poll'],
];

type Follower = { readonly name: string; readonly worker: LineProcess };
type Refusal = { readonly code: string; readonly verifications: number };

async function startFollowers(context: BenchContext, { api, credentials }: Product): Promise<Follower[]> {
  const { client_id: clientId, client_secret: clientSecret } = credentials.client;
  const followers: Follower[] = [];
  for (const [language, feed] of VERIFIERS) {
    const worker = await startVerifier(context, language);
    await worker.ask({ operation: 'follow', issuer: api, clientId, clientSecret, feed });
    followers.push({ name: `${language} ${feed}`, worker });
  }
  return followers;
}

/** One histogram a verifier, one for all of them, and one for the last of them each time. */
const newReach = () => ({
  each: VERIFIERS.map(() => new LatencyHistogram()),
  all: new LatencyHistogram(),
  last: new LatencyHistogram(),
  verifications: 0,
});

/** Revokes a token, and waits until every verifier has refused it; all count from the request. */
async function revokeOnce(product: Product, followers: readonly Follower[], reach = newReach()): Promise<void> {
  const { client } = product.credentials;
  const { access_token: token } = await issue(product.api, client, await demoUserId(product));
  for (const { name, worker } of followers) {
    const { code } = await worker.ask<Refusal>({ operation: 'verify', token });
    if (code !== 'active') throw new Error(`${name} answers ${code} before the revocation`);
  }
  let sentMs: number | undefined;
  const refused = followers.map(async ({ name, worker }, at) => {
    const { code, verifications } = await worker.ask<Refusal>({ operation: 'refused', token });
    if (sentMs === undefined || code !== 'revoked')
      throw new Error(`${name} answers ${code} ${sentMs === undefined ? 'before' : 'after'} the revocation`);
    const tookMs = performance.now() - sentMs;
    for (const histogram of [reach.each[at]!, reach.all]) histogram.record(tookMs);
    reach.verifications += verifications;
    return tookMs;
  });
  // Every verifier is by now asked about the token without a pause.
  await sleep(Math.random() * LONGEST_GAP_MS);
  sentMs = performance.now();
  await revoke(product.api, client, token);
  reach.last.record(Math.max(...(await Promise.all(refused))));
}

/** Requests that asked the product about a token. A first one shows that they are counted. */
async function askedWhile(product: Product, work: () => Promise<void>): Promise<number> {
  const counters = { asked: (page: string) => totalOf(page, REQUESTS, ASKING) };
  const { asked } = await countedWhile(product, counters, async () => {
    const headers = { ...basic(product.credentials.client), 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await fetch(`${product.api}/oauth2/introspect`, { method: 'POST', headers, body: 'token=x' });
    if (answer.status !== 200) throw new Error(`introspection answers ${answer.status}`);
    await work();
  });
  if (asked === 0) throw new Error('the product did not count the introspection of the benchmark itself');
  return asked - 1;
}

const shown = ({ p50Ms, p99Ms, maxMs }: LatencySummary): string =>
  `p50 ${p50Ms.toFixed(0)}, p99 ${p99Ms.toFixed(0)}, most ${maxMs.toFixed(0)} ms`;

export const verifiersReach: Bench = {
  name: 'verifiers-reach',
  about: 'from a revocation to its refusal by eight verifiers in three languages',
  limit: 'the interval of 500 ms between two polls; with server-sent events, the commit and its signed answer',
  async run(context) {
    const product = await context.product();
    const followers = await startFollowers(context, product);
    for (let at = 0; at < UNMEASURED; at += 1) await revokeOnce(product, followers);
    const reach = newReach();
    const asked = await askedWhile(product, async () => {
      for (let at = 1; at <= REVOCATIONS; at += 1) {
        await revokeOnce(product, followers, reach);
        if (at % 30 === 0) context.say(`${at} of ${REVOCATIONS} revocations: ${shown(reach.all.summary())}`);
      }
    });
    for (const { worker } of followers) await worker.close();
    const [all, last] = [reach.all.summary(), reach.last.summary()];
    const each = followers.map(({ name }, at) => `${name} ${reach.each[at]!.summary().p99Ms.toFixed(0)}`);
    return [
      {
        name: 'revoke to refusal at each of eight verifiers (3 TypeScript, 3 Python, 2 Go)',
        ...{ unit: 'ms, p99', value: all.p99Ms, target: { atMost: REACH_MS }, measured: all },
        detail: `${REVOCATIONS} revocations, from the request; ${shown(all)}; p99 of each: ${each.join(', ')} ms`,
      },
      {
        name: 'revoke to refusal at the last of the eight',
        ...{ unit: 'ms, p99', value: last.p99Ms, target: { atMost: REACH_MS }, measured: last },
        detail: shown(last),
      },
      {
        name: 'requests meanwhile that asked the API about a token',
        ...{ unit: 'requests', value: asked, target: { atMost: 0 } },
        detail: `${reach.verifications} verifications`,
      },
    ];
  },
};
