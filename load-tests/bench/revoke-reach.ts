import { clientToken, revoke, validate } from '../lib/api-client.ts';
import type { Bench } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { type Answer, HttpConnection, requestBytes } from '../lib/http-connection.ts';
import { LatencyHistogram, type LatencySummary } from '../lib/latency-histogram.ts';
import type { Product } from '../lib/product.ts';
import { copyOf } from './setup.ts';

const REVOCATIONS = 120;
const LONGEST_REACH_MS = 10_000;
const STALENESS_BOUND_MS = 2_000;

type Reach = { readonly fromSent: LatencySummary; readonly fromAnswer: LatencySummary };

/** Revokes at one copy and asks the other without a pause until it refuses. */
async function reach(one: Product, other: Product, count: number): Promise<Reach> {
  const fromSent = new LatencyHistogram();
  const fromAnswer = new LatencyHistogram();
  const url = new URL(other.api);
  const connection = new HttpConnection(url);
  const ask = (request: Buffer): Promise<boolean> =>
    new Promise((done, fail) =>
      connection.send(request, (answer: Answer | Error) => {
        if (answer instanceof Error) return fail(answer);
        if (answer.status !== 200) return fail(new Error(`validate: ${answer.status} ${answer.body}`));
        done(answer.body.includes('"active":true'));
      }),
    );
  try {
    for (let at = 0; at < count; at += 1) {
      const token = await clientToken(one.api, one.credentials.client);
      const json = { 'content-type': 'application/json' };
      const request = requestBytes('POST', url, '/v1/tokens/validate', json, JSON.stringify({ token }));
      if (!(await ask(request))) throw new Error('the other copy refuses a token before it is revoked');
      const sentMs = performance.now();
      let answeredMs = sentMs;
      const revoked = revoke(one.api, one.credentials.client, token).then(() => {
        answeredMs = performance.now();
      });
      while (await ask(request))
        if (performance.now() - sentMs > LONGEST_REACH_MS) throw new Error('a revocation never reached the other copy');
      const refusedMs = performance.now();
      await revoked;
      fromSent.record(refusedMs - sentMs);
      fromAnswer.record(Math.max(0, refusedMs - answeredMs));
    }
  } finally {
    connection.close();
  }
  return { fromSent: fromSent.summary(), fromAnswer: fromAnswer.summary() };
}

const figure = (name: string, atMost: number, measured: Reach): Figure => ({
  name,
  unit: 'ms, p99',
  value: measured.fromSent.p99Ms,
  target: { atMost },
  measured: { revocations: REVOCATIONS, ...measured },
  detail: `from the request: p50 ${measured.fromSent.p50Ms.toFixed(2)} ms, most ${measured.fromSent.maxMs.toFixed(1)} ms; from its answer: p50 ${measured.fromAnswer.p50Ms.toFixed(2)} ms, p99 ${measured.fromAnswer.p99Ms.toFixed(1)} ms`,
});

export const revokeReach: Bench = {
  name: 'revoke-reach',
  about: 'from a revocation at one copy of the API to the refusal at another, with and without Redis',
  limit: 'the commit and the push through Redis; without Redis, polling every 250 ms',
  async run(context) {
    const one = await context.product();
    const { copy: other, cutRedis } = await copyOf(context, one);
    try {
      const token = await clientToken(one.api, one.credentials.client);
      if (!(await validate(other.api, token)).active) throw new Error('the copies do not accept one another’s tokens');
      await reach(one, other, 10);
      const withRedis = await reach(one, other, REVOCATIONS);
      context.say(`with Redis: p99 ${withRedis.fromSent.p99Ms.toFixed(1)} ms`);
      await cutRedis();
      const without = await reach(one, other, REVOCATIONS);
      context.say(`without Redis: p99 ${without.fromSent.p99Ms.toFixed(1)} ms`);
      return [
        figure('revoke to refusal at another copy', 50, withRedis),
        figure('the same with Redis out of reach', STALENESS_BOUND_MS, without),
      ];
    } finally {
      await other.stop();
    }
  },
};
