import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#testing/eventually.ts';
import { newClient, signIn } from '#testing/flows/flows.ts';
import type { Product } from '#testing/harness/product.ts';
import { type ProductHarness, startProductHarness } from '#testing/harness/product.ts';
import { basicHeader, expectProblem, type Json, send } from '#testing/http-client.ts';

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

test('the dashboard of a running product moves with its sign-ins, and shows its copies and queues', async () => {
  const reader = await newClient(product, { credential_scopes: ['monitoring:read'] });
  const stranger = await newClient(product, { credential_scopes: ['audit:read'] });
  const dashboard = async (): Promise<Json> => {
    const shown = await harness.call('GET', '/v1/admin/dashboard', { basic: reader });
    expect(shown.status, shown.text).toBe(200);
    return shown.body;
  };
  expectProblem(await send(product.api, 'GET', '/v1/admin/dashboard', { basic: stranger }), 403, 'permission_missing');
  await eventually('the first count', async () => (await dashboard()).security.state === 'fresh', 120_000);
  const before = (await dashboard()).security.sign_ins;
  await signIn(product, product.credentials.user);
  const wrong = { ...product.credentials.user, password: 'not this one, surely' };
  await send(product.api, 'POST', '/api/auth/signin', { json: wrong });
  const moved = await eventually(
    'the figures to move',
    async () => {
      const now = await dashboard();
      const { succeeded, failed } = now.security.sign_ins;
      const isComplete = now.performance.token_generation.count > 0 && now.resources.queues.length > 0;
      return succeeded > before.succeeded && failed > before.failed && isComplete ? now : undefined;
    },
    120_000,
  );
  // The hour may have turned since the sign-in.
  const newest = moved.security.hours.slice(-2).map((hour: Json) => hour.sign_ins_succeeded);
  expect(Math.max(...newest)).toBeGreaterThan(0);
  expect(moved.performance.token_generation.p99_ms).toBeGreaterThanOrEqual(moved.performance.token_generation.p95_ms);
  const kinds = moved.resources.copies.map(({ kind }: Json) => kind).sort();
  expect(kinds).toEqual(['api', 'worker']);
  for (const copy of moved.resources.copies) {
    expect(copy.memory_bytes).toBeGreaterThan(10_000_000);
    expect(copy.cpu_cores).toBeGreaterThan(0);
    expect(copy.pools.map(({ pool }: Json) => pool)).toContain('main');
  }
  expect(moved.resources.queues.map(({ queue }: Json) => queue)).toContain('monitoring');
}, 300_000);
