import { setTimeout as sleep } from 'node:timers/promises';
import { issue } from '../lib/api-client.ts';
import type { BenchContext } from '../lib/bench.ts';
import { LatencyHistogram, type LatencySummary } from '../lib/latency-histogram.ts';
import type { LineProcess } from '../lib/line-process.ts';
import type { Product } from '../lib/product.ts';
import { startVerifier, type VerifierLanguage } from '../lib/verifier-process.ts';

/** Verifiers that follow revocations of a running product, and how long an end takes to reach them. */

/** At random below this, so that ends meet every phase of the polls. */
const LONGEST_GAP_MS = 300;
const REFUSALS = new Set(['revoked', 'session_ended']);

type Feed = 'sse' | 'poll';
export type VerifierKind = readonly [VerifierLanguage, Feed];

export type Follower = { readonly language: VerifierLanguage; readonly feed: Feed; readonly worker: LineProcess };
type Refusal = { readonly code: string; readonly verifications: number };

export async function startFollowers(
  context: BenchContext,
  product: Product,
  kinds: readonly VerifierKind[],
): Promise<Follower[]> {
  const { client_id: clientId, client_secret: clientSecret } = product.credentials.client;
  const followers: Follower[] = [];
  for (const [language, feed] of kinds) {
    const worker = await startVerifier(context, language);
    await worker.ask({ operation: 'follow', issuer: product.api, clientId, clientSecret, feed });
    followers.push({ language, feed, worker });
  }
  return followers;
}

/** One histogram a verifier, one for all of them, and one for the last of them each time. */
export type Reach = {
  readonly each: readonly LatencyHistogram[];
  readonly all: LatencyHistogram;
  readonly last: LatencyHistogram;
  verifications: number;
};

export const newReach = (followers: readonly Follower[]): Reach => ({
  each: followers.map(() => new LatencyHistogram()),
  all: new LatencyHistogram(),
  last: new LatencyHistogram(),
  verifications: 0,
});

/** Issues a token, ends it by `end`, and waits until every verifier has refused it; all count from the request of `end`. */
export async function endOnce(
  product: Product,
  followers: readonly Follower[],
  userId: string,
  reach: Reach,
  end: (token: string) => Promise<unknown>,
): Promise<void> {
  const { access_token: token } = await issue(product.api, product.credentials.client, userId);
  for (const { language, feed, worker } of followers) {
    const { code } = await worker.ask<Refusal>({ operation: 'verify', token });
    if (code !== 'active') throw new Error(`${language} (${feed}) answers ${code} before the end`);
  }
  let sentMs: number | undefined;
  const refused = followers.map(async ({ language, feed, worker }, at) => {
    const { code, verifications } = await worker.ask<Refusal>({ operation: 'refused', token });
    if (sentMs === undefined) throw new Error(`${language} (${feed}) answers ${code} before the end`);
    const tookMs = performance.now() - sentMs;
    if (!REFUSALS.has(code)) throw new Error(`${language} (${feed}) answers ${code} to an ended token`);
    reach.each[at]?.record(tookMs);
    reach.all.record(tookMs);
    reach.verifications += verifications;
    return tookMs;
  });
  // Every verifier is by now asked about the token without a pause.
  await sleep(Math.random() * LONGEST_GAP_MS);
  sentMs = performance.now();
  await end(token);
  reach.last.record(Math.max(...(await Promise.all(refused))));
}

export const shown = ({ p50Ms, p99Ms, maxMs }: LatencySummary): string =>
  `p50 ${p50Ms.toFixed(0)}, p99 ${p99Ms.toFixed(0)}, most ${maxMs.toFixed(0)} ms`;

/** What a figure keeps of each verifier, and their p99 in one line. */
export function ofEach(followers: readonly Follower[], { each }: Reach) {
  const verifiers = followers.map(({ language, feed }, at) => ({ language, feed, ...each[at]!.summary() }));
  const p99 = verifiers.map(({ language, feed, p99Ms }) => `${language} ${feed} ${p99Ms.toFixed(0)}`).join(', ');
  return { verifiers, p99 };
}
