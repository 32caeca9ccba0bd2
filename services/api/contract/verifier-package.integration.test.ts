import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { createVerifier, type Verifier, type VerifierOptions, writeFeedFile } from '#sdks/typescript/src/index.ts';
import { claimsIn, clientToken, issueFor, newClient, revoke, signUp, tampered } from '#tools/testing/flows/flows.ts';
import { promised } from '#tools/testing/harness/busy-machine.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

/** A revocation must be refused everywhere within this time. */
const REACH_MS = promised(1_000);

const open: { close(): void }[] = [];

const redis = opened(() => startTcpProxy(testRedisUrl()));
const harness = opened(() => startProductHarness({ REDIS_URL: redis.url }));
const user = opened(() => signUp(harness.product));
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A verifier of the product, and the paths that it asked for. */
async function verifierOf(changes: Partial<VerifierOptions> = {}) {
  const { api, credentials } = harness.product;
  const { client_id, client_secret } = credentials.client;
  const paths = new Set<string>();
  const verifier = createVerifier({
    ...{ issuer: api, clientId: client_id, clientSecret: client_secret, feed: 'sse' },
    fetch: (input, init) => {
      paths.add(new URL(String(input)).pathname);
      return fetch(input, init);
    },
    ...changes,
  });
  open.push(verifier);
  await verifier.ready();
  return { verifier, paths };
}

const codeOf = async (verifier: Verifier, token: string): Promise<string> => (await verifier.verify(token)).code;

/** Milliseconds from the answer to the revocation until the verifier refuses the token. */
async function reachOf(verifier: Verifier, token: string, selector: Readonly<Record<string, string>>): Promise<number> {
  expect(await codeOf(verifier, token)).toBe('active');
  expect((await revoke(harness.product, selector)).status).toBe(200);
  const answeredMs = performance.now();
  await expect.poll(() => codeOf(verifier, token), { interval: 5 }).not.toBe('active');
  return performance.now() - answeredMs;
}

test('a token, family, user or client that is revoked is refused within a second over SSE, without a request per token', async () => {
  const { verifier, paths } = await verifierOf();
  const first = (await issueFor(harness.product, user.id)).access_token;
  const second = (await issueFor(harness.product, user.id)).access_token;
  const third = (await issueFor(harness.product, user.id)).access_token;
  expect(await reachOf(verifier, first, { token: first })).toBeLessThan(REACH_MS);
  expect(await reachOf(verifier, second, { family_id: claimsIn(second).fid })).toBeLessThan(REACH_MS);
  expect(await codeOf(verifier, third)).toBe('active');
  expect(await reachOf(verifier, third, { user_id: user.id })).toBeLessThan(REACH_MS);
  expect(await codeOf(verifier, (await issueFor(harness.product, user.id)).access_token)).toBe('active');

  const client = await newClient(harness.product, { credential_scopes: ['tokens:read'] });
  const { api } = harness.product;
  const ofClient = await clientToken({ api, credentials: { client } });
  expect(await reachOf(verifier, ofClient, { client_id: client.client_id })).toBeLessThan(REACH_MS);

  expect([...paths].sort()).toEqual(['/.well-known/jwks.json', '/v1/revocations', '/v1/revocations/stream']);
});

test.runIf(hasWings)(
  'a killed agent is refused within a second: its own token, and one that it exchanged for its owner',
  async () => {
    const { verifier } = await verifierOf();
    const owner = await signUp(harness.product);
    const registrar = await newClient(harness.product, { credential_scopes: ['agents:manage'] });
    const registered = await harness.post(
      '/v1/admin/agents',
      {
        name: 'Agent',
        owner_id: owner.id,
        scopes: ['openid'],
        credential_scopes: ['tasks'],
        dpop_bound_access_tokens: false,
        reason: 'test',
      },
      { basic: registrar },
    );
    expect(registered.status, registered.text).toBe(201);
    const { agent_id: agentId, client_secret: secret } = registered.body;
    const tokenOf = async (form: Readonly<Record<string, string>>): Promise<string> => {
      const basic = { client_id: agentId, client_secret: secret };
      const answer = await harness.call('POST', '/oauth2/token', { basic, form });
      expect(answer.status, answer.text).toBe(200);
      return answer.body.access_token;
    };
    const own = await tokenOf({ grant_type: 'client_credentials' });
    const delegated = await tokenOf({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: owner.tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    for (const token of [own, delegated]) expect(await codeOf(verifier, token)).toBe('active');
    const killed = await harness.post(`/v1/admin/agents/${agentId}/kill`, { reason: 'test' }, { basic: registrar });
    expect(killed.status).toBe(200);
    const answeredMs = performance.now();
    for (const token of [own, delegated])
      await expect.poll(() => codeOf(verifier, token), { interval: 5 }).not.toBe('active');
    expect(performance.now() - answeredMs).toBeLessThan(REACH_MS);
  },
);

test('sign-out is refused within a second, and a tampered token at once', async () => {
  const { verifier } = await verifierOf();
  const person = await signUp(harness.product);
  const token = person.tokens.access_token;
  expect(await codeOf(verifier, tampered(token))).toBe('bad_signature');
  expect(await codeOf(verifier, token)).toBe('active');
  const { api } = harness.product;
  const answer = await send(api, 'POST', '/api/auth/signout', { cookie: person.cookie, headers: { origin: api } });
  expect(answer.status, answer.text).toBeLessThan(300);
  const answeredMs = performance.now();
  await expect.poll(() => codeOf(verifier, token), { interval: 5 }).not.toBe('active');
  expect(performance.now() - answeredMs).toBeLessThan(REACH_MS);
});

test('a client without the permission to read revocations is told so at the start', async () => {
  const { client_id, client_secret } = await newClient(harness.product);
  await expect(verifierOf({ clientId: client_id, clientSecret: client_secret })).rejects.toMatchObject({
    code: 'client_refused',
  });
});

test('without Redis, a revocation is refused within a second, and every token is decided', async () => {
  const { verifier } = await verifierOf();
  const [token, other] = [await issueFor(harness.product, user.id), await issueFor(harness.product, user.id)];
  await redis.cut();
  onTestFinished(() => redis.restore());
  expect(await reachOf(verifier, token.access_token, { token: token.access_token })).toBeLessThan(REACH_MS);
  expect(await codeOf(verifier, other.access_token)).toBe('active');
});

// The last test: it stops the product.
test('a verifier that starts while the API is down decides by the feed file', async () => {
  const folder = testFolder(onTestFinished);
  const feedFile = join(folder, 'feed.json');
  const { api, credentials } = harness.product;
  const { client_id, client_secret } = credentials.client;
  const [token, revoked] = [await issueFor(harness.product, user.id), await issueFor(harness.product, user.id)];
  await revoke(harness.product, { token: revoked.access_token });
  const writer = writeFeedFile({ issuer: api, clientId: client_id, clientSecret: client_secret, feedFile });
  open.push(writer);
  await writer.ready();
  const { verifier } = await verifierOf({ feed: 'file', feedFile, clientId: undefined, clientSecret: undefined });
  await expect.poll(() => codeOf(verifier, revoked.access_token)).not.toBe('active');
  await harness.product.stop('SIGTERM');
  const { verifier: late, paths } = await verifierOf({ feed: 'file', feedFile });
  expect(await codeOf(late, token.access_token)).toBe('active');
  expect(await codeOf(late, revoked.access_token)).toMatch(/^(revoked|session_ended)$/);
  expect(paths.size).toBe(0);
  for (const one of open.splice(0)) one.close();
});
