import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { CAEP_EVENTS, VERIFICATION } from '#services/wings/outbound/signals/signal-shapes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { clientToken, newClient, revoke, signUp } from '#tools/testing/flows/flows.ts';
import { type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';

type Line = {
  readonly stream: string;
  readonly jti: string;
  readonly event: string;
  readonly claims: Record<string, never>;
};

let harness: ProductHarness;
let token: string;
let python: ChildProcessWithoutNullStreams;
const lines: Line[] = [];
let said = '';

beforeAll(async () => {
  harness = await startProductHarness({ SIGNALS_PRIVATE: 'true', WORKER_COPIES: '1' });
  const { api } = harness.product;
  const port = await randomFreePort();
  const client = await newClient(harness.product, {
    credential_scopes: ['ssf.manage', 'ssf.read'],
    redirect_uris: [`http://127.0.0.1:${port}/`],
  });
  token = await clientToken({ api, credentials: { client } });
  python = spawn('python3', [resolve('conformance/ssf/receiver.py'), api], {
    env: { ...process.env, TOKEN: token, PORT: String(port) },
  });
  python.stderr.on('data', (chunk) => {
    said += chunk;
  });
  createInterface({ input: python.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  await eventually('the receiver to have its streams', async () => lines.length + said.length > 0);
});
afterAll(async () => {
  python?.kill();
  await harness?.close();
});

const has = (stream: string, event: string): boolean =>
  lines.some((line) => line.stream === stream && line.event === event);

test('an independent receiver verifies a pushed and a polled stream, and gets the events of a user through both', async () => {
  await expect
    .poll(() => [said, has('push', VERIFICATION), has('poll', VERIFICATION)], { timeout: 20_000 })
    .toEqual(['', true, true]);
  const states = lines.flatMap(
    ({ claims }) => (claims?.events?.[VERIFICATION] as { state?: string } | undefined)?.state ?? [],
  );
  expect(states.sort()).toEqual(['state-8935', 'state-8936']);
  const user = await signUp(harness.product);
  expect((await revoke(harness.product, { user_id: user.id })).status).toBe(200);
  const revoked = CAEP_EVENTS['session-revoked'];
  await expect
    .poll(() => [said, has('push', revoked), has('poll', revoked)], { timeout: 20_000 })
    .toEqual(['', true, true]);
  const subjects = lines.filter(({ event }) => event === revoked).map(({ claims }) => JSON.stringify(claims.sub_id));
  for (const subject of subjects) expect(subject).toContain(user.id);
  // Each event once in each stream: the receiver acknowledged what it took.
  const taken = lines.filter(({ jti }) => jti !== undefined).map(({ stream, jti }) => `${stream} ${jti}`);
  expect(new Set(taken).size).toBe(taken.length);
});

test('a client without the permission, and one that has no such stream, are refused', async () => {
  const { api } = harness.product;
  const client = await newClient(harness.product, { credential_scopes: ['tokens:read'] });
  const bearer = await clientToken({ api, credentials: { client } });
  const refused = await send(api, 'GET', '/ssf/streams', { bearer });
  expectProblem(refused, 403, 'permission_missing');
  expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  const missing = await send(api, 'GET', '/ssf/status?stream_id=019f0000-0000-7000-8000-000000000000', {
    bearer: token,
  });
  expectProblem(missing, 404, 'signal_stream_unknown');
});
