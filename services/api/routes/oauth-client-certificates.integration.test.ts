import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { DEVICE_GRANT } from '#services/core/access/grant-shapes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { type MadeCertificate, makeAuthority, makeCertificate } from '#tools/testing/fakes/certificate-maker.ts';
import { verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import {
  ALLOW,
  browserOf,
  challengeOf,
  codeForm,
  LOOPBACK_REDIRECT,
  newVerifier,
} from '#tools/testing/harness/oauth.ts';
import { expectOAuthError, expectProblem, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { startTlsProxy } from './tls-proxy-harness.ts';

/** Clients that authenticate by the certificate of their connection (RFC 8705 §2). */

const DAY_MS = 86_400_000;
const NAMES = {
  subject: [[{ type: '2.5.4.10', value: 'Bank, Inc.' }], [{ type: '2.5.4.3', value: 'client' }]],
  dns: ['bank.example'],
};
const authority = makeAuthority();
const bank = authority.issue(NAMES);
/** Of the same names: by itself, by an authority that calls itself the same, and past its end. */
const imposter = makeCertificate(NAMES);
const imposterByName = makeAuthority().issue(NAMES);
const past = authority.issue({ ...NAMES, until: new Date(Date.now() - DAY_MS / 2) });
const till = makeCertificate();
const nextTill = makeCertificate();

const folder = testFolder();
let api: ApiCopy;
/** Another copy of the same installation. */
let second: ApiCopy;
/** Trusts another proxy than the test. */
let distrusting: ApiCopy;
const harness = opened(openApiHarness);
beforeAll(async () => {
  const file = join(folder, 'ca.pem');
  await writeFile(file, authority.pem);
  const env = {
    CLIENT_CERT_HEADER: 'Client-Cert',
    CLIENT_CERT_CA_FILE: file,
    TRUSTED_PROXIES: '127.0.0.1',
    CLIENT_REGISTRATION: 'open',
    CLIENT_DOCUMENTS_PRIVATE: 'true',
  };
  [api, second] = [await harness.startCopy({ hashes: false, env }), await harness.startCopy({ hashes: false, env })];
  distrusting = await harness.startCopy({ hashes: false, env: { ...env, TRUSTED_PROXIES: '192.0.2.1' } });
});
const admin = opened(() => newPerson(api, ['admin']));
const user = opened(() => newSignedIn(api));
const proxy = opened(() => startTlsProxy(api.url));

type Headers = Readonly<Record<string, string>>;
const base64Of = ({ der }: MadeCertificate): string => der.toString('base64');
const over = (certificate: MadeCertificate): Headers => ({
  'client-cert': `:${base64Of(certificate)}:`,
  'x-forwarded-for': '203.0.113.9',
});
const none: Headers = {};
const setOf = (...certificates: readonly MadeCertificate[]) => ({
  keys: certificates.map((certificate) => ({ kty: 'EC', x5c: [base64Of(certificate)] })),
});

const BY_NAME = { auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=client,O=Bank\\, Inc.' };
const BY_CERTIFICATE = { auth_method: 'self_signed_tls_client_auth', jwks: setOf(till) };

const byAdmin = (method: string, path: string, json: object): Promise<Received> =>
  send(api.url, method, path, { bearer: admin.bearer, json: { reason: 'test', ...json } });

async function register(json: object): Promise<Json> {
  const made = await byAdmin('POST', '/v1/admin/clients', {
    name: 'Bank',
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token', DEVICE_GRANT],
    scopes: ['openid'],
    credential_scopes: ['tokens:introspect'],
    redirect_uris: [LOOPBACK_REDIRECT],
    ...json,
  });
  expect(made.status, made.text).toBe(201);
  await distrusting.ports.access.load();
  return made.body;
}
const change = (clientId: string, json: object) => byAdmin('PATCH', `/v1/admin/clients/${clientId}`, json);
const post = (path: string, headers: Headers, form: Readonly<Record<string, string>>, at = api) =>
  send(at.url, 'POST', path, { headers, form });
const ask = (client_id: string, headers: Headers, form: Readonly<Record<string, string>> = {}, at = api) =>
  post('/oauth2/token', headers, { grant_type: 'client_credentials', client_id, ...form }, at);
const expectRefused = (answer: Received): void =>
  expectOAuthError(answer, 401, 'invalid_client', 'client_unauthenticated');

/** Tokens of a user's sign-in through the client. */
async function signIn(clientId: string, headers: Headers): Promise<Json> {
  const verifier = newVerifier();
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: LOOPBACK_REDIRECT,
    response_type: 'code',
    scope: 'openid',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
  });
  const browser = browserOf(api, user);
  let shown = await browser.open(`/oauth2/authorize?${query}`);
  if (shown.leftFor === null) shown = await browser.submit(shown, ALLOW);
  const code = shown.leftFor?.searchParams.get('code') as string;
  const { status, body, text } = await ask(clientId, headers, codeForm(code, verifier));
  expect(status, text).toBe(200);
  return body;
}

describe.each([
  ['tls_client_auth', BY_NAME, bank, [till, imposter, imposterByName, past]],
  ['self_signed_tls_client_auth', BY_CERTIFICATE, till, [nextTill, bank]],
] as const)('%s', (method, terms, own, others) => {
  test('authenticates the client at every endpoint by its certificate, and its tokens are bound to it', async () => {
    const client = await register(terms);
    expect(client).toMatchObject({ auth_method: method, client_secret: null });
    const { client_id } = client;
    const { status, body, text } = await ask(client_id, over(own));
    expect(status, text).toBe(200);
    expect(decodeJwt(body.access_token)).toMatchObject({ sub: client_id, cnf: { 'x5t#S256': own.thumbprint } });
    const request = { redirect_uri: LOOPBACK_REDIRECT, response_type: 'code', code_challenge_method: 'S256' };
    for (const [path, form, answered] of [
      ['/oauth2/introspect', { token: body.access_token }, 200],
      ['/oauth2/par', { ...request, code_challenge: challengeOf(newVerifier()) }, 201],
      ['/oauth2/device_authorization', { scope: 'openid' }, 200],
      ['/oauth2/revoke', { token: body.access_token }, 200],
    ] as const) {
      for (const headers of [none, over(others[0])]) expectRefused(await post(path, headers, { ...form, client_id }));
      const accepted = await post(path, over(own), { ...form, client_id });
      expect([path, accepted.status], accepted.text).toEqual([path, answered]);
    }
    expect(await verdictOn({ api: api.url }, body.access_token)).toBe('revoked');
  });

  test('is refused with another certificate, also one of the same names, with none and with more than one', async () => {
    const { client_id } = await register(terms);
    const header = (value: string): Headers => ({ ...over(own), 'client-cert': value });
    const sent = over(own)['client-cert'] as string;
    const unreadable = [
      'x',
      `${sent}, ${sent}`,
      `${own.pem}${own.pem}`.replaceAll('\n', ' '),
      `:${'A'.repeat(12_400)}:`,
    ];
    for (const headers of [...others.map(over), none, ...unreadable.map(header)])
      expectOAuthError(
        await post('/oauth2/introspect', headers, { client_id, token: 'x' }),
        401,
        'invalid_client',
        'client_unauthenticated',
      );
    for (const headers of [...others.map(over), none]) expectRefused(await ask(client_id, headers));
    expect((await ask(client_id, over(own))).status).toBe(200);
  });

  test('ignores the header of a peer that is not a trusted proxy: an attacker can send any certificate', async () => {
    const { client_id } = await register(terms);
    expectRefused(await ask(client_id, over(own), {}, distrusting));
    const { 'client-cert': certificate } = over(own) as { 'client-cert': string };
    expectRefused(await ask(client_id, { 'client-cert': certificate }));
  });

  test('is refused once the client is disabled, with a secret, with an assertion and without its id', async () => {
    const { client_id } = await register(terms);
    expectRefused(await ask(client_id, over(own), { client_secret: 'x' }));
    expectRefused(await ask(client_id, over(own), await newAssertionMaker().form(client_id, API_URL)));
    expectRefused(await post('/oauth2/token', over(own), { grant_type: 'client_credentials' }));
    const basic = { client_id, client_secret: '' };
    const byBasic = await send(api.url, 'POST', '/oauth2/introspect', {
      headers: over(own),
      basic,
      form: { token: 'x' },
    });
    expectRefused(byBasic);
    const path = `/v1/admin/clients/${client_id}`;
    expectProblem(await byAdmin('POST', `${path}/rotate-secret`, {}), 409, 'client_without_secret');
    await byAdmin('POST', `${path}/disable`, {});
    expectRefused(await ask(client_id, over(own)));
  });

  test.each(['a certificate', 'a DPoP key'] as const)(
    'serves an outside client (oauth4webapi) of the profile fapi2 behind a proxy that terminates TLS, tokens bound to %s',
    async (binding) => {
      const isByKey = binding === 'a DPoP key';
      const made = await register({
        ...terms,
        profile: 'fapi2',
        ...(isByKey ? { dpop_bound_access_tokens: true } : {}),
      });
      expect(made).toMatchObject({
        dpop_bound_access_tokens: isByKey,
        tls_client_certificate_bound_access_tokens: !isByKey,
        require_pushed_authorization_requests: true,
        refresh_rotation: 'off',
      });
      const client: oauth.Client = { client_id: made.client_id, use_mtls_endpoint_aliases: true };
      const through = (certificate?: MadeCertificate) => ({
        [oauth.customFetch]: proxy.fetchWith(certificate),
        [oauth.allowInsecureRequests]: true,
      });
      const via = through(own);
      const issuer = new URL(API_URL);
      const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, through()));
      for (const endpoint of ['token', 'introspection', 'revocation'])
        expect(as[`${endpoint}_endpoint_auth_methods_supported`]).toContain(method);
      const auth = oauth.TlsClientAuth();
      const DPoP = isByKey ? { DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')) } : {};
      const verifier = oauth.generateRandomCodeVerifier();
      const request = {
        redirect_uri: LOOPBACK_REDIRECT,
        response_type: 'code',
        scope: 'openid',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      };
      const push = (options: typeof via) =>
        oauth.pushedAuthorizationRequest(as, client, auth, request, { ...options, ...DPoP });
      for (const refused of [await push(through()), await push(through(others[0]))]) expect(refused.status).toBe(401);
      const pushed = await oauth.processPushedAuthorizationResponse(as, client, await push(via));
      const query = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
      const browser = browserOf(api, user);
      const { leftFor } = await browser.submit(await browser.open(`/oauth2/authorize?${query}`), ALLOW);
      const parameters = oauth.validateAuthResponse(as, client, leftFor as URL, oauth.expectNoState);
      const codeAnswer = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        auth,
        parameters,
        LOOPBACK_REDIRECT,
        verifier,
        { ...via, ...DPoP },
      );
      const tokens = await oauth.processAuthorizationCodeResponse(as, client, codeAnswer, { requireIdToken: true });
      expect(decodeJwt(tokens.access_token).cnf).toEqual(
        isByKey ? { jkt: expect.any(String) } : { 'x5t#S256': own.thumbprint },
      );
      const refresh = (options: typeof via) =>
        oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token as string, { ...options, ...DPoP });
      for (const stolen of [await refresh(through()), await refresh(through(others[0]))])
        expect(stolen.status).toBe(401);
      for (let time = 1; time <= 2; time += 1) {
        const refreshed = await oauth.processRefreshTokenResponse(as, client, await refresh(via));
        expect(refreshed.refresh_token).toBe(tokens.refresh_token);
      }
      const introspect = async () =>
        oauth.processIntrospectionResponse(
          as,
          client,
          await oauth.introspectionRequest(as, client, auth, tokens.access_token, via),
        );
      expect(await introspect()).toMatchObject({ active: true });
      await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, via));
      expect(await introspect()).toEqual({ active: false });
    },
  );

  test('an attacker who sends the header through the proxy is not taken for the client', async () => {
    const { client_id } = await register(terms);
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id });
    const init = {
      method: 'POST',
      body: form,
      headers: { ...over(own), 'content-type': 'application/x-www-form-urlencoded' },
    };
    expect((await proxy.fetchWith()(`${API_URL}/oauth2/token`, init)).status).toBe(401);
    expect((await proxy.fetchWith(others[0])(`${API_URL}/oauth2/token`, init)).status).toBe(401);
    expect((await proxy.fetchWith(own)(`${API_URL}/oauth2/token`, init)).status).toBe(200);
  });

  test('a client registers itself with it (RFC 7591), and is told what was registered', async () => {
    const { auth_method, ...members } = terms;
    const json = {
      redirect_uris: [LOOPBACK_REDIRECT],
      token_endpoint_auth_method: auth_method,
      scope: 'openid',
      ...members,
    };
    const made = await send(api.url, 'POST', '/oauth2/register', { json });
    expect([made.status, made.body], made.text).toEqual([
      201,
      expect.objectContaining({ token_endpoint_auth_method: method, ...members }),
    ]);
    expect(made.body).not.toHaveProperty('client_secret');
    const request = { client_id: made.body.client_id, redirect_uri: LOOPBACK_REDIRECT, response_type: 'code' };
    const pkce = { code_challenge: challengeOf(newVerifier()), code_challenge_method: 'S256' };
    expect((await post('/oauth2/par', over(own), { ...request, ...pkce })).status).toBe(201);
    expectRefused(await post('/oauth2/par', over(others[0]), { ...request, ...pkce }));
  });
});

describe('tls_client_auth by an alternative name', () => {
  test('recognises the client by it, also in a certificate that was issued anew', async () => {
    const { client_id } = await register({ auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'bank.example' });
    expect((await ask(client_id, over(bank))).status).toBe(200);
    expect((await ask(client_id, over(authority.issue({ dns: ['a.example', 'bank.example'] })))).status).toBe(200);
    for (const other of [{ dns: ['*.example'] }, { dns: ['www.bank.example'] }, { uris: ['https://bank.example'] }])
      expectRefused(await ask(client_id, over(authority.issue(other))));
  });

  test('an expired certificate is refused, and its holder is told so', async () => {
    const { client_id } = await register({ ...BY_CERTIFICATE, jwks: setOf(makeCertificate({ until: new Date(0) })) });
    const expired = makeCertificate({ until: new Date(Date.now() - 1_000) });
    await change(client_id, { jwks: setOf(expired) });
    const refused = await ask(client_id, over(expired));
    expectRefused(refused);
    expect(refused.body.error_description).toMatch(/expired or not valid yet/);
  });
});

describe('a client that changes its certificate', () => {
  test('is recognised by both while both are registered; a removed one is refused, also on other copies', async () => {
    const { client_id } = await register(BY_CERTIFICATE);
    const tokens = await signIn(client_id, over(till));
    expect((await change(client_id, { jwks: setOf(till, nextTill) })).body.certificate_thumbprints).toEqual([
      till.thumbprint,
      nextTill.thumbprint,
    ]);
    await second.ports.access.load();
    for (const certificate of [till, nextTill])
      for (const copy of [api, second]) expect((await ask(client_id, over(certificate), {}, copy)).status).toBe(200);
    await change(client_id, { jwks: setOf(nextTill) });
    expectRefused(await ask(client_id, over(till)));
    await eventually('the refusal on another copy', async () => {
      return (await ask(client_id, over(till), {}, second)).status === 401;
    });
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
    expectRefused(await ask(client_id, over(till), refresh));
    const renewed = await ask(client_id, over(nextTill), refresh);
    expect(renewed.status, renewed.text).toBe(200);
    expect(decodeJwt(renewed.body.access_token).cnf).toEqual({ 'x5t#S256': nextTill.thumbprint });
    const events = await harness.rows`SELECT detail FROM audit_outbox
      WHERE type = 'client.changed' AND target_id = ${client_id} ORDER BY id DESC LIMIT 1`;
    expect(events).toEqual([{ detail: expect.objectContaining({ columns: ['certificate_identity'] }) }]);
  });

  test('may publish its certificates at an address', async () => {
    let published: object = setOf(till);
    const server: Server = createServer((_request, response) => response.end(JSON.stringify(published)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
    const at = { auth_method: 'self_signed_tls_client_auth', jwks_uri: `${address}/keys` };
    const { client_id } = await register(at);
    expect((await ask(client_id, over(till))).status).toBe(200);
    const notYet = await ask(client_id, over(nextTill));
    expect([notYet.status, notYet.body.code]).toEqual([503, 'client_keys_unavailable']);
    published = setOf(nextTill);
    await change(client_id, { jwks_uri: `${address}/next` });
    expect((await ask(client_id, over(nextTill))).status).toBe(200);
    expect((await ask(client_id, over(till))).status, 'until the address may be asked again').toBe(503);
  });
});

describe('a client that moves from one method to another', () => {
  const maker = newAssertionMaker();
  const signing = { auth_method: 'private_key_jwt', jwks: { keys: [maker.jwk] } };

  test('keeps its tokens, and from then on authenticates only in the new way', async () => {
    const { client_id } = await register({ ...BY_NAME, tls_client_certificate_bound_access_tokens: true });
    const tokens = await signIn(client_id, over(bank));
    const refresh = (headers: Headers, form: Readonly<Record<string, string>> = {}) =>
      ask(client_id, headers, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...form });
    const moved = await change(client_id, signing);
    expect([moved.status, moved.body.auth_method], moved.text).toEqual([200, 'private_key_jwt']);
    expect(moved.body).not.toHaveProperty('tls_client_auth_subject_dn');
    const context = { 'x5t#S256': bank.thumbprint };
    const json = { token: tokens.access_token, context };
    expect((await send(api.url, 'POST', '/v1/tokens/validate', { json })).body).toMatchObject({ active: true });
    expectRefused(await refresh(over(bank)));
    const unbound = await refresh(none, await maker.form(client_id, API_URL));
    expect([unbound.status, unbound.body.error], 'its tokens need a certificate').toEqual([400, 'invalid_request']);
    expect((await refresh(over(till), await maker.form(client_id, API_URL))).status, 'of any kind').toBe(200);

    const back = await change(client_id, { auth_method: 'self_signed_tls_client_auth', jwks: setOf(till) });
    expect([back.status, back.body.jwks]).toEqual([200, null]);
    expectRefused(await ask(client_id, none, await maker.form(client_id, API_URL)));
    expectRefused(await ask(client_id, over(bank)));
    expect((await ask(client_id, over(till))).status).toBe(200);
  });

  test('from a secret: the secret is refused at once; to a secret: the certificate is', async () => {
    const { client_id, client_secret } = await register({});
    await change(client_id, BY_NAME);
    const bySecret = () => ask(client_id, none, { client_secret });
    expectRefused(await bySecret());
    expect((await ask(client_id, over(bank))).status).toBe(200);
    await change(client_id, { auth_method: 'client_secret_basic' });
    expectRefused(await ask(client_id, over(bank)));
    expectRefused(await bySecret());
    const { body } = await byAdmin('POST', `/v1/admin/clients/${client_id}/rotate-secret`, {});
    expect((await ask(client_id, none, { client_secret: body.client_secret })).status).toBe(200);
  });
});

test('a client with a secret, or a public one, is not authenticated by a certificate', async () => {
  const site = await register({});
  expectRefused(await ask(site.client_id, over(bank)));
  const app = await register({ auth_method: 'none', credential_scopes: [] });
  expectRefused(await ask(app.client_id, over(bank)));
});

test.each([
  ['a name without the method', { tls_client_auth_san_dns: 'bank.example' }],
  ['two names', { ...BY_NAME, tls_client_auth_san_dns: 'bank.example' }],
  ['a wildcard', { auth_method: 'tls_client_auth', tls_client_auth_san_dns: '*.bank.example' }],
  ['the method without a name', { auth_method: 'tls_client_auth' }],
  ['the method without certificates', { auth_method: 'self_signed_tls_client_auth' }],
  ['a certificate that cannot be read', { ...BY_CERTIFICATE, jwks: { keys: [{ kty: 'EC', x5c: ['AAAA'] }] } }],
])('a registration with %s is refused', async (_what, unfit) => {
  const made = await byAdmin('POST', '/v1/admin/clients', { name: 'Bank', grant_types: [], ...unfit });
  expectProblem(made, 400, 'client_keys_invalid');
});

test('a copy without authorities neither announces tls_client_auth nor authenticates by a name', async () => {
  const env = { CLIENT_CERT_HEADER: 'Client-Cert', TRUSTED_PROXIES: '127.0.0.1', CLIENT_REGISTRATION: 'open' };
  const copy = await harness.startCopy({ hashes: false, env });
  const { client_id } = await register(BY_NAME);
  await copy.ports.access.load();
  const { body } = await send(copy.url, 'GET', '/.well-known/oauth-authorization-server');
  expect(body.token_endpoint_auth_methods_supported).toContain('self_signed_tls_client_auth');
  expect(body.token_endpoint_auth_methods_supported).not.toContain('tls_client_auth');
  expectRefused(await ask(client_id, over(bank), {}, copy));
  const json = {
    redirect_uris: [LOOPBACK_REDIRECT],
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_dns: 'bank.example',
  };
  const registered = await send(copy.url, 'POST', '/oauth2/register', { json });
  expect([registered.status, registered.body.error]).toEqual([400, 'invalid_client_metadata']);
});
