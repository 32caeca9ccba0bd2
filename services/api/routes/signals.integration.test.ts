import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createVerifier, type Verifier } from '#sdks/typescript/src/index.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { CAEP_EVENTS, VERIFICATION } from '#services/wings/outbound/signals/signal-shapes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { clientToken, issueFor, newClient, revoke, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { promised } from '#tools/testing/harness/busy-machine.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';

/** A revocation must be refused everywhere within this time. */
const REACH_MS = promised(1_000);

type Line = {
  readonly stream: string;
  readonly jti: string;
  readonly event: string;
  readonly claims: Record<string, never>;
};
type Pushed = { readonly status: number; readonly body: string; readonly token: string };

let harness: ProductHarness;
let verifier: Verifier;
let python: ChildProcessWithoutNullStreams;
let lines: AsyncIterator<string>;
let transmitter: { readonly issuer: string; readonly jwks_uri: string };
let user: TestUser;
let token: string;
/** A receiver of our streams, what it took, and what it complained of. */
let receiver: ChildProcessWithoutNullStreams;
const taken: Line[] = [];
let said = '';

const nextLine = async () => JSON.parse((await lines.next()).value as string);

beforeAll(async () => {
  harness = await startProductHarness({ SIGNALS_PRIVATE: 'true', WORKER_COPIES: '1' });
  const { api, credentials } = harness.product;
  user = await signUp(harness.product);
  const { client_id, client_secret } = credentials.client;
  verifier = createVerifier({ issuer: api, clientId: client_id, clientSecret: client_secret, feed: 'sse' });
  await verifier.ready();
  python = spawn('python3', [resolve('conformance/ssf/transmitter.py')]);
  lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  transmitter = await nextLine();
  const port = await randomFreePort();
  const client = await newClient(harness.product, {
    credential_scopes: ['ssf.manage', 'ssf.read'],
    redirect_uris: [`http://127.0.0.1:${port}/`],
  });
  token = await clientToken({ api, credentials: { client } });
  receiver = spawn('python3', [resolve('conformance/ssf/receiver.py'), api], {
    env: { ...process.env, TOKEN: token, PORT: String(port) },
  });
  receiver.stderr.on('data', (chunk) => {
    said += chunk;
  });
  createInterface({ input: receiver.stdout }).on('line', (line) => taken.push(JSON.parse(line)));
  await eventually('the receiver to have its streams', async () => taken.length + said.length > 0);
});
afterAll(async () => {
  verifier?.close();
  receiver?.kill();
  python?.kill();
  await harness?.close();
});

const has = (stream: string, event: string): boolean =>
  taken.some((line) => line.stream === stream && line.event === event);

test('an independent receiver verifies a pushed and a polled stream, and gets the events of a user through both', async () => {
  await expect
    .poll(() => [said, has('push', VERIFICATION), has('poll', VERIFICATION)], { timeout: 20_000 })
    .toEqual(['', true, true]);
  const states = taken.flatMap(
    ({ claims }) => (claims?.events?.[VERIFICATION] as { state?: string } | undefined)?.state ?? [],
  );
  expect(states.sort()).toEqual(['state-8935', 'state-8936']);
  const person = await signUp(harness.product);
  expect((await revoke(harness.product, { user_id: person.id })).status).toBe(200);
  const revoked = CAEP_EVENTS['session-revoked'];
  await expect
    .poll(() => [said, has('push', revoked), has('poll', revoked)], { timeout: 20_000 })
    .toEqual(['', true, true]);
  const subjects = taken.filter(({ event }) => event === revoked).map(({ claims }) => JSON.stringify(claims.sub_id));
  for (const subject of subjects) expect(subject).toContain(person.id);
  // Each event once in each stream: the receiver acknowledged what it took.
  const ids = taken.filter(({ jti }) => jti !== undefined).map(({ stream, jti }) => `${stream} ${jti}`);
  expect(new Set(ids).size).toBe(ids.length);
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

/** Has the Python transmitter push an event about the user. */
async function push(event: keyof typeof CAEP_EVENTS, more: object = {}): Promise<Pushed> {
  const { api } = harness.product;
  const sub_id = { format: 'iss_sub', iss: api, sub: user.id };
  const asked = { url: `${api}/ssf/events`, aud: api, event: CAEP_EVENTS[event], sub_id, ...more };
  python.stdin.write(`${JSON.stringify(asked)}\n`);
  return nextLine();
}
const errorOf = ({ status, body }: Pushed) => [status, JSON.parse(body).err];

test('an outside session-revoked or credential-change is refused at an offline verifier within a second', async () => {
  const { api } = harness.product;
  expect(errorOf(await push('session-revoked'))).toEqual([400, 'invalid_issuer']);
  await queryRows(harness.databaseUrl)`
    INSERT INTO signal_transmitters (id, issuer, jwks_uri, audience, match_email, own_ids)
    VALUES (gen_random_uuid(), ${transmitter.issuer}, ${transmitter.jwks_uri}, ${api}, false, true)`;
  const reached: number[] = [];
  for (const event of ['session-revoked', 'credential-change'] as const) {
    user = await signUp(harness.product);
    const token = (await issueFor(harness.product, user.id)).access_token;
    expect((await verifier.verify(token)).code).toBe('active');
    const answer = await push(event);
    expect([answer.status, answer.body]).toEqual([202, '']);
    const answeredMs = performance.now();
    await expect.poll(async () => (await verifier.verify(token)).code, { interval: 5 }).not.toBe('active');
    reached.push(performance.now() - answeredMs);
    const session = await send(api, 'GET', '/api/auth/session', { cookie: user.cookie });
    expect(session.body?.session ?? null).toBeNull();
    // The same token again is accepted and ends nothing: a new sign-in stays.
    const fresh = (await issueFor(harness.product, user.id)).access_token;
    expect((await push(event, { token: answer.token })).status).toBe(202);
    expect((await verifier.verify(fresh)).code).toBe('active');
  }
  for (const ms of reached) expect(ms).toBeLessThan(REACH_MS);
  console.info(`refused at the verifier after ${reached.map((ms) => Math.round(ms)).join(' and ')} ms`);
});

test('what is not for this receiver, or not from the transmitter, gets the codes of RFC 8935', async () => {
  expect(errorOf(await push('session-revoked', { aud: 'https://other.test' }))).toEqual([400, 'invalid_audience']);
  expect(errorOf(await push('session-revoked', { other_key: true }))).toEqual([400, 'authentication_failed']);
  // 503 until the set has been read after the event arrived, at most every 30 seconds.
  await expect
    .poll(async () => errorOf(await push('session-revoked', { header: { kid: 'gone' } })), {
      interval: 1_000,
      timeout: 60_000,
    })
    .toEqual([400, 'invalid_key']);
  expect(errorOf(await push('session-revoked', { header: { typ: 'JWT' } }))).toEqual([400, 'invalid_request']);
  const { api } = harness.product;
  const asJson = await send(api, 'POST', '/ssf/events', { json: {} });
  expect(asJson.status).toBe(415);
});
