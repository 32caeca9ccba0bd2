import { afterAll, beforeAll, expect, test } from 'vitest';
import { newClient, signIn } from '#testing/flows/flows.ts';
import type { Product } from '#testing/harness/product.ts';
import { type ProductHarness, startProductHarness } from '#testing/harness/product.ts';
import { basicHeader, type Json } from '#testing/http-client.ts';

let harness: ProductHarness;
let product: Product;
beforeAll(async () => {
  harness = await startProductHarness({ WORKER_COPIES: '1' });
  ({ product } = harness);
});
afterAll(() => harness?.close());

/** The first event of this session in an open stream; other events are skipped. */
async function loginIn(answer: Response, sessionId: () => string | undefined): Promise<Json> {
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const seen: Json[] = [];
  for (let text = ''; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error('the stream ended before the login came');
    const parts = (text + value).split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (data !== undefined) seen.push(JSON.parse(data));
    }
    const found = seen.find(({ detail }) => detail.session_id === sessionId());
    if (sessionId() !== undefined && found !== undefined) {
      await reader.cancel();
      return found;
    }
  }
}

test('a running product streams a sign-in that its own workers sealed', async () => {
  const client = await newClient(product, { credential_scopes: ['audit:read'] });
  const answer = await fetch(`${product.api}/v1/admin/events?type=user.login`, {
    headers: { authorization: basicHeader(client) },
    // A busy machine is slow; only an event that never arrives is a failure.
    signal: AbortSignal.timeout(60_000),
  });
  expect(answer.status).toBe(200);
  let sessionId: string | undefined;
  const waiting = loginIn(answer, () => sessionId);
  const login = await signIn(product, product.credentials.user);
  sessionId = login.sessionId;
  const event = await waiting;
  expect(event).toMatchObject({
    type: 'user.login',
    outcome: 'ok',
    target: { kind: 'user', id: login.id },
    detail: { session_id: sessionId, known_device: false },
  });
  expect(event.seq).toBeGreaterThanOrEqual(0);
  expect(Date.parse(event.sealed_at)).toBeGreaterThanOrEqual(Date.parse(event.occurred_at));
}, 120_000);
