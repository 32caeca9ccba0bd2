import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { DEVICE_GRANT } from '#services/core/access/grant-shapes.ts';
import { type AssertionChanges, newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { browserOf, challengeOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(openAdminHarness);
const env = { CLIENT_DOCUMENTS_PRIVATE: 'true', CLIENT_REGISTRATION: 'open' };
/** Fetches nothing from private addresses, as in production. */
const guarded = partOf(() => harness.copy);
/** Between `other` and its Redis. */
const redis = opened(() => startTcpProxy(harness.redisUrl));
const api = opened(() => harness.startCopy({ hashes: false, env }));
const other = opened(() => harness.startCopy({ hashes: false, env, redisUrl: redis.url }));

const maker = newAssertionMaker();
const grants = ['authorization_code', 'refresh_token', 'client_credentials', DEVICE_GRANT];

async function register(members: Json = {}): Promise<string> {
  const made = await harness.byAdmin('POST', '/v1/admin/clients', {
    name: 'Bank',
    auth_method: 'private_key_jwt',
    jwks: { keys: [maker.jwk] },
    grant_types: grants,
    scopes: ['openid', 'email'],
    credential_scopes: ['tokens:introspect'],
    redirect_uris: [LOOPBACK_REDIRECT],
    reason,
    ...members,
  });
  expect([made.status, made.body.client_secret], made.text).toEqual([201, null]);
  await Promise.all([api, other, guarded].map(({ ports }) => ports.access.load()));
  return made.body.client_id;
}

type Form = Readonly<Record<string, string>>;

const post = (path: string, form: Form, copy = api): Promise<Received> => send(copy.url, 'POST', path, { form });
const token = async (clientId: string, changes: AssertionChanges = {}, copy = api, by = maker) =>
  post('/oauth2/token', { grant_type: 'client_credentials', ...(await by.form(clientId, API_URL, changes)) }, copy);

describe.each(['ES256', 'PS256', 'Ed25519'] as const)('an outside client (oauth4webapi) with %s', (alg) => {
  test('authenticates by its key at every endpoint', async () => {
    const keys = await oauth.generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await crypto.subtle.exportKey('jwk', keys.publicKey)), kid: 'key-1' };
    const clientId = await register({ jwks: { keys: [jwk] } });
    const via = {
      [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, api.url), init),
      [oauth.allowInsecureRequests]: true,
    } as const;
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, via));
    expect(as.token_endpoint_auth_signing_alg_values_supported).toContain(alg);
    const client: oauth.Client = { client_id: clientId };
    const auth = oauth.PrivateKeyJwt({ key: keys.privateKey, kid: 'key-1' });

    const verifier = newVerifier();
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const pushed = await oauth.pushedAuthorizationRequest(
      as,
      client,
      auth,
      {
        redirect_uri: LOOPBACK_REDIRECT,
        response_type: 'code',
        scope: 'openid',
        code_challenge: challengeOf(verifier),
        code_challenge_method: 'S256',
      },
      { ...via, DPoP },
    );
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, pushed);
    const browser = browserOf(api, await newSignedIn(api));
    const consent = await browser.open(
      `/oauth2/authorize?${new URLSearchParams({ client_id: clientId, request_uri })}`,
    );
    const { leftFor } = await browser.submit(consent, { decision: 'allow', scope: ['openid'] });
    const parameters = oauth.validateAuthResponse(as, client, leftFor as URL);
    const code = await oauth.authorizationCodeGrantRequest(as, client, auth, parameters, LOOPBACK_REDIRECT, verifier, {
      ...via,
      DPoP,
    });
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, code, { requireIdToken: true });
    expect(tokens.token_type).toBe('dpop');
    const refresh = tokens.refresh_token as string;
    const again = await oauth.refreshTokenGrantRequest(as, client, auth, refresh, { ...via, DPoP });
    const refreshed = await oauth.processRefreshTokenResponse(as, client, again);
    const asked = await oauth.introspectionRequest(as, client, auth, refreshed.access_token, via);
    expect(await oauth.processIntrospectionResponse(as, client, asked)).toMatchObject({ active: true });
    const device = await oauth.deviceAuthorizationRequest(as, client, auth, { scope: 'openid' }, via);
    expect((await oauth.processDeviceAuthorizationResponse(as, client, device)).user_code).toBeTypeOf('string');
    const revoked = await oauth.revocationRequest(as, client, auth, refreshed.access_token, via);
    expect(await oauth.processRevocationResponse(revoked)).toBeUndefined();
    const gone = await oauth.introspectionRequest(as, client, auth, refreshed.access_token, via);
    expect(await oauth.processIntrospectionResponse(as, client, gone)).toEqual({ active: false });
  });
});

describe('an assertion', () => {
  test('replayed on another copy, or at another endpoint, is refused', async () => {
    const clientId = await register();
    const form = await maker.form(clientId, API_URL);
    const ask = (copy: ApiCopy) => post('/oauth2/token', { grant_type: 'client_credentials', ...form }, copy);
    const answers = await Promise.all([api, other, api, other].map(ask));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
    for (const path of ['/oauth2/par', '/oauth2/introspect', '/oauth2/revoke', '/oauth2/device_authorization']) {
      const { status, body } = await post(path, { token: 'x', ...form });
      expect([path, status, body.error]).toEqual([path, 401, 'invalid_client']);
    }
  });

  test('works once over all copies while one has lost Redis', async () => {
    const clientId = await register();
    const form = { grant_type: 'client_credentials', ...(await maker.form(clientId, API_URL)) };
    await redis.cut();
    onTestFinished(() => redis.restore());
    const answers = [await post('/oauth2/token', form, other), await post('/oauth2/token', form, other)];
    expect([...answers, await post('/oauth2/token', form)].map(({ status }) => status)).toEqual([200, 401, 401]);
  });

  test('is the only credential of its request, and of its client', async () => {
    const clientId = await register();
    const form: Form = { grant_type: 'client_credentials', ...(await maker.form(clientId, API_URL)) };
    for (const answer of [
      await post('/oauth2/token', { ...form, client_id: clientId, client_secret: 'x' }),
      await send(api.url, 'POST', '/oauth2/token', { form, basic: { client_id: clientId, client_secret: 'x' } }),
    ])
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
    const insufficient: readonly Form[] = [
      { client_id: clientId },
      { client_id: clientId, client_secret: '' },
      { client_id: clientId, client_assertion_type: form.client_assertion_type as string },
      { client_assertion: form.client_assertion as string },
      { ...form, client_id: 'sallyport' },
    ];
    for (const members of insufficient) {
      const { status, body } = await post('/oauth2/token', { grant_type: 'client_credentials', ...members });
      expect([status, body.error]).toEqual([401, 'invalid_client']);
    }
    expect((await post('/oauth2/token', form)).status, 'none of these used it up').toBe(200);
  });
});

describe('keys at a jwks_uri', () => {
  let server: Server;
  let uri: string;
  let answer: RequestListener;
  let fetched = 0;
  beforeAll(async () => {
    server = createServer((request, response) => {
      fetched += 1;
      answer(request, response);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  let paths = 0;
  const remote = () => {
    paths += 1;
    return register({ jwks: undefined, jwks_uri: `${uri}/${paths}` });
  };
  const serve: RequestListener = (_request, response) => response.end(JSON.stringify({ keys: [maker.jwk] }));

  test('are fetched once for many requests', async () => {
    answer = serve;
    fetched = 0;
    const clientId = await remote();
    const answers = await Promise.all(Array.from({ length: 8 }, () => token(clientId)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(fetched).toBe(1);
  });

  test.each([
    ['redirects', (_request, response) => response.writeHead(302, { location: `${uri}/elsewhere` }).end()],
    ['answers 10 MB', (_request, response) => response.end(Buffer.alloc(10_485_760, 0x20))],
    ['answers something else', (_request, response) => response.end('<html>')],
  ] as [string, RequestListener][])(
    'that %s authenticates no client, and is not asked again at once',
    async (_name, bad) => {
      answer = bad;
      fetched = 0;
      const clientId = await remote();
      const startedAt = performance.now();
      for (let tries = 0; tries < 3; tries += 1) {
        const { status, body } = await token(clientId);
        expect([status, body.error, body.code]).toEqual([503, 'temporarily_unavailable', 'client_keys_unavailable']);
      }
      // The first pause is a second, which a busy machine may need for one try.
      expect(fetched).toBeLessThanOrEqual(1 + Math.floor((performance.now() - startedAt) / 1_000));
    },
  );

  test('on a private address are not fetched', async () => {
    answer = serve;
    fetched = 0;
    const clientId = await remote();
    expect((await token(clientId, {}, guarded)).status).toBe(503);
    expect(fetched).toBe(0);
    expect((await token(clientId)).status).toBe(200);
  });
});

describe('administration', () => {
  test('keys are public, shown, changed and audited; without them the client is refused', async () => {
    const clientId = await register();
    const path = `/v1/admin/clients/${clientId}`;
    const { body } = await harness.byAdmin('GET', path);
    const { kid, kty, crv, x, y } = maker.jwk;
    expect(body).toMatchObject({
      auth_method: 'private_key_jwt',
      jwks: { keys: [{ kid, kty, crv, x, y }] },
      jwks_uri: null,
    });
    const next = newAssertionMaker();
    const changed = await harness.byAdmin('PATCH', path, { jwks: { keys: [next.jwk] }, reason });
    expect(changed.status, changed.text).toBe(200);
    await api.ports.access.load();
    expect((await token(clientId)).status).toBe(401);
    expect((await token(clientId, {}, api, next)).status).toBe(200);
    for (const members of [
      { jwks: { keys: [next.privateKey.export({ format: 'jwk' })] } },
      { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } },
      { jwks_uri: 'http://app.example/keys' },
      { auth_method: 'client_secret_basic', jwks: { keys: [next.jwk] } },
    ]) {
      const refused = await harness.byAdmin('PATCH', path, { ...members, reason });
      expect([refused.status, refused.body.code]).toEqual([400, 'client_keys_invalid']);
      expect(refused.text).not.toContain(next.privateKey.export({ format: 'jwk' }).d as string);
    }
    expect(await harness.events('client.changed', clientId)).toMatchObject([{ detail: { columns: ['jwks'], reason } }]);
  });

  test('a client moves from a secret to keys and back; each refuses what the other accepted', async () => {
    const { body: made } = await harness.register();
    const path = `/v1/admin/clients/${made.client_id}`;
    const bySecret = async (client_secret: string) => {
      await api.ports.access.load();
      const basic = { client_id: made.client_id, client_secret };
      const form = { grant_type: 'client_credentials' };
      return (await send(api.url, 'POST', '/oauth2/token', { form, basic })).status;
    };
    expect(await bySecret(made.client_secret)).toBe(200);
    const keyed = { auth_method: 'private_key_jwt', jwks: { keys: [maker.jwk] }, reason };
    expect((await harness.byAdmin('PATCH', path, keyed)).status).toBe(200);
    expect(await bySecret(made.client_secret)).toBe(401);
    expect((await token(made.client_id)).status).toBe(200);
    const rotated = await harness.byAdmin('POST', `${path}/rotate-secret`, { reason });
    expect([rotated.status, rotated.body.code]).toEqual([409, 'client_without_secret']);
    const back = await harness.byAdmin('PATCH', path, { auth_method: 'client_secret_basic', reason });
    expect([back.status, back.body.jwks]).toEqual([200, null]);
    expect(await bySecret(made.client_secret)).toBe(401);
    expect((await token(made.client_id)).status).toBe(401);
    const { body } = await harness.byAdmin('POST', `${path}/rotate-secret`, { reason });
    expect(await bySecret(body.client_secret)).toBe(200);
  });
});

test('a client registers itself with its keys (RFC 7591) and authenticates by them', async () => {
  const json = {
    redirect_uris: [LOOPBACK_REDIRECT],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [maker.jwk] },
    scope: 'openid',
  };
  const made = await send(api.url, 'POST', '/oauth2/register', { json });
  expect([made.status, made.body.client_secret], made.text).toEqual([201, undefined]);
  const { kid, kty, crv, x, y } = maker.jwk;
  expect(made.body).toMatchObject({
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ kid, kty, crv, x, y }] },
  });
  const request = {
    redirect_uri: LOOPBACK_REDIRECT,
    response_type: 'code',
    code_challenge: challengeOf(newVerifier()),
    code_challenge_method: 'S256',
  };
  const pushed = await post('/oauth2/par', { ...request, ...(await maker.form(made.body.client_id, API_URL)) });
  expect(pushed.status, pushed.text).toBe(201);
  const unsigned = await post('/oauth2/par', { ...request, client_id: made.body.client_id });
  expect([unsigned.status, unsigned.body.error]).toEqual([401, 'invalid_client']);
});
