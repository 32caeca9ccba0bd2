import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import { describe, expect, test } from 'vitest';
import { TOKEN_EXCHANGE } from '#services/core/access/grant-shapes.ts';
import {
  CERTIFICATE,
  derOf,
  OTHER_CERTIFICATE,
  type TestCertificate,
} from '#tools/testing/fakes/client-certificates.ts';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import {
  askToken,
  codeForm,
  codeOf,
  LOOPBACK_REDIRECT,
  newOAuthClient,
  newVerifier,
} from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, expectOAuthError, expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

/** The address that key proofs are made for. */
const TOKEN_URL = `${API_URL}/oauth2/token`;
const USERINFO_URL = `${API_URL}/oauth2/userinfo`;

const ENV = { CLIENT_CERT_HEADER: 'Client-Cert', TRUSTED_PROXIES: '127.0.0.1' };
const ELSEWHERE = { ...ENV, TRUSTED_PROXIES: '192.0.2.1', DPOP_REQUIRE_NONCE: 'true' };
const GRANTS = ['authorization_code', 'refresh_token', 'client_credentials', TOKEN_EXCHANGE];
const harness = opened(openApiHarness);
/** Trusts the proxy in front of it, which passes on client certificates. */
const api = opened(() => harness.startCopy({ hashes: false, env: ENV }));
/** Trusts another proxy than its own, and requires nonces. */
const other = opened(() => harness.startCopy({ hashes: false, env: ELSEWHERE }));
const user = opened(() => newSignedIn(api));
/** A public client. */
const app = opened(() => newOAuthClient([api, other], 'none', GRANTS));
/** A client with a secret. */
const site = opened(() => newOAuthClient([api, other], 'client_secret_basic', GRANTS));

const maker = newProofMaker();
const dpop = (proof: string) => ({ dpop: proof });
const withToken = (accessToken: string, proof: string, base = api.url) =>
  send(base, 'GET', '/oauth2/userinfo', { headers: { authorization: `DPoP ${accessToken}`, dpop: proof } });

async function boundPair(client = app) {
  const verifier = newVerifier();
  const code = await codeOf(api, user, client.client_id, verifier);
  const answer = await askToken(api, client, codeForm(code, verifier), dpop(maker.proof('POST', TOKEN_URL)));
  expect([answer.status, answer.body.token_type], answer.text).toEqual([200, 'DPoP']);
  return answer.body as { access_token: string; refresh_token: string };
}

describe.each([
  ['without nonces', () => api],
  ['with nonces', () => other],
])('an outside client (oauth4webapi) %s', (_kind, copy) => {
  test('gets a code bound to its key, tokens, userinfo and a refresh', async () => {
    const base = copy().url;
    const via = {
      [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, base), init),
      [oauth.allowInsecureRequests]: true,
    } as const;
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, via));
    const client: oauth.Client = { client_id: app.client_id };
    const keys = await oauth.generateKeyPair('ES256');
    const DPoP = oauth.DPoP(client, keys);
    const verifier = newVerifier();
    const code = await codeOf(api, user, app.client_id, verifier, { dpop_jkt: await DPoP.calculateThumbprint() });
    const parameters = oauth.validateAuthResponse(as, client, new URLSearchParams({ code, iss: API_URL }));
    const ask = () =>
      oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, LOOPBACK_REDIRECT, verifier, {
        ...via,
        DPoP,
      });
    const read = async () => oauth.processAuthorizationCodeResponse(as, client, await ask());
    const tokens = await read().catch((err) => (oauth.isDPoPNonceError(err) ? read() : Promise.reject(err)));
    expect(tokens.token_type).toBe('dpop');
    const show = async () =>
      oauth.processUserInfoResponse(
        as,
        client,
        user.id,
        await oauth.userInfoRequest(as, client, tokens.access_token, { ...via, DPoP }),
      );
    const info = await show().catch((err) => (oauth.isDPoPNonceError(err) ? show() : Promise.reject(err)));
    expect(info.sub).toBe(user.id);
    const refreshed = await oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(as, client, oauth.None(), tokens.refresh_token as string, { ...via, DPoP }),
    );
    expect(decodeJwt(refreshed.access_token).cnf).toEqual({ jkt: await DPoP.calculateThumbprint() });
  });
});

describe('a repeated proof at a resource', () => {
  const nonceOf = async () =>
    (
      await askToken(other, site, { grant_type: 'client_credentials' }, dpop(maker.proof('POST', TOKEN_URL)))
    ).headers.get('dpop-nonce') ?? '';

  test('is refused for a write, on any copy, and the write happens once', async () => {
    const { access_token: accessToken } = await boundPair();
    const proof = maker.proof('POST', `${API_URL}/v1/tokens/revoke`, { accessToken, nonce: await nonceOf() });
    const write = ({ url }: ApiCopy) =>
      send(url, 'POST', '/v1/tokens/revoke', {
        headers: { authorization: `DPoP ${accessToken}`, dpop: proof },
        json: { token: 'rubbish', reason: 'test' },
      });
    const answers = await Promise.all([api, other, api, other].map(write));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
    for (const { status, body } of answers) if (status === 401) expect(body.code).toBe('dpop_proof_invalid');
  });

  test('passes for a read while it is fresh', async () => {
    const { access_token: accessToken } = await boundPair();
    const proof = maker.proof('GET', USERINFO_URL, { accessToken });
    for (let turn = 0; turn < 2; turn += 1) expect((await withToken(accessToken, proof)).status).toBe(200);
  });
});

describe('at the token endpoint', () => {
  test('an invalid proof is 400 invalid_dpop_proof and does not use up the code', async () => {
    const verifier = newVerifier();
    const form = codeForm(await codeOf(api, user, app.client_id, verifier), verifier);
    for (const proof of [
      'x',
      maker.proof('GET', TOKEN_URL),
      maker.proof('POST', `${TOKEN_URL}x`),
      `${maker.proof('POST', TOKEN_URL)}, ${maker.proof('POST', TOKEN_URL)}`,
    ]) {
      const { status, body } = await askToken(api, app, form, dpop(proof));
      expect([status, body.error, body.code]).toEqual([400, 'invalid_dpop_proof', 'dpop_proof_invalid']);
    }
    expect((await askToken(api, app, form, dpop(maker.proof('POST', TOKEN_URL)))).status).toBe(200);
  });

  test('the same proof on another copy is refused', async () => {
    const nonce =
      (
        await askToken(other, site, { grant_type: 'client_credentials' }, dpop(maker.proof('POST', TOKEN_URL)))
      ).headers.get('dpop-nonce') ?? '';
    const proof = maker.proof('POST', TOKEN_URL, { nonce });
    const form = { grant_type: 'client_credentials' };
    const answers = await Promise.all([api, other, api, other].map((copy) => askToken(copy, site, form, dpop(proof))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
    const refused = answers.find(({ status }) => status === 400);
    expect(refused?.body.error).toBe('invalid_dpop_proof');
    const [{ count }] = await harness.rows`SELECT count(*)::int FROM dpop_proofs`;
    expect(count).toBeGreaterThan(0);
  });

  test('a proof without a nonce gets 400 use_dpop_nonce with a nonce, and each answer has a new one', async () => {
    const form = { grant_type: 'client_credentials' };
    const first = await askToken(other, site, form, dpop(maker.proof('POST', TOKEN_URL)));
    expect([first.status, first.body.error]).toEqual([400, 'use_dpop_nonce']);
    const nonce = first.headers.get('dpop-nonce') as string;
    const second = await askToken(other, site, form, dpop(maker.proof('POST', TOKEN_URL, { nonce })));
    expect([second.status, second.body.token_type]).toEqual([200, 'DPoP']);
    expect(second.headers.get('dpop-nonce')).toBeTruthy();
    expect((await askToken(api, site, form, dpop(maker.proof('POST', TOKEN_URL, { nonce: 'old' })))).body.error).toBe(
      'use_dpop_nonce',
    );
  });

  test('a public client’s token family is refreshed only with its key; an invalid request uses up no proof', async () => {
    const { refresh_token } = await boundPair();
    const form = { grant_type: 'refresh_token', refresh_token };
    for (const headers of [{}, dpop(newProofMaker().proof('POST', TOKEN_URL))]) {
      const { status, body } = await askToken(api, app, form, headers);
      expect([status, body.error]).toEqual([400, 'invalid_grant']);
    }
    const proof = maker.proof('POST', TOKEN_URL);
    expect((await askToken(api, app, { ...form, refresh_token: 'x' }, dpop(proof))).body.error).toBe('invalid_grant');
    const renewed = await askToken(api, app, form, dpop(proof));
    expect([renewed.status, renewed.body.token_type]).toEqual([200, 'DPoP']);
    expect(decodeJwt(renewed.body.access_token).cnf).toBeDefined();
  });

  test('a client with a secret may change its key (RFC 9449 §5)', async () => {
    const { refresh_token, access_token } = await boundPair(site);
    const form = { grant_type: 'refresh_token', refresh_token };
    const { body } = await askToken(api, site, form, dpop(newProofMaker('EdDSA').proof('POST', TOKEN_URL)));
    expect(decodeJwt(body.access_token).cnf).not.toEqual(decodeJwt(access_token).cnf);
  });

  test('a client that requires bound tokens gets none without a proof', async () => {
    const strict = await newOAuthClient([api], 'client_secret_basic', ['client_credentials']);
    await harness.rows`UPDATE oauth_clients SET dpop_bound_access_tokens = true WHERE "clientId" = ${strict.client_id}`;
    await api.ports.access.load();
    const bare = await askToken(api, strict, { grant_type: 'client_credentials' });
    expect([bare.status, bare.body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  test('a code bound to one key cannot be redeemed with another (RFC 9449 §10)', async () => {
    const verifier = newVerifier();
    const form = codeForm(await codeOf(api, user, app.client_id, verifier, { dpop_jkt: 'j'.repeat(43) }), verifier);
    expect((await askToken(api, app, form)).body.error).toBe('invalid_grant');
    expect((await askToken(api, app, form, dpop(maker.proof('POST', TOKEN_URL)))).body.error).toBe('invalid_grant');
  });
});

describe('at a resource', () => {
  test('a bound token as Bearer, with another key’s proof or with none, is 401', async () => {
    const { access_token } = await boundPair();
    const good = () => maker.proof('GET', USERINFO_URL, { accessToken: access_token });
    expect((await withToken(access_token, good())).status).toBe(200);
    expect((await send(api.url, 'GET', '/oauth2/userinfo', { bearer: access_token })).status).toBe(401);
    for (const proof of [
      '',
      maker.proof('GET', USERINFO_URL),
      newProofMaker().proof('GET', USERINFO_URL, { accessToken: access_token }),
      maker.proof('POST', USERINFO_URL, { accessToken: access_token }),
    ]) {
      const refused = await withToken(access_token, proof);
      expect(refused.status).toBe(401);
      expect(refused.headers.get('www-authenticate')).toMatch(
        /^DPoP realm="sallyport", algs="ES256 RS256 EdDSA", error="invalid_(dpop_proof|token)"/,
      );
    }
    const nonceless = await withToken(access_token, good(), other.url);
    expect(nonceless.status).toBe(401);
    expect(nonceless.headers.get('www-authenticate')).toContain('error="use_dpop_nonce"');
    const nonce = nonceless.headers.get('dpop-nonce') as string;
    expect(
      (await withToken(access_token, maker.proof('GET', USERINFO_URL, { accessToken: access_token, nonce }), other.url))
        .status,
    ).toBe(200);
    expect(
      (
        await withToken(
          user.tokens.access_token,
          maker.proof('GET', USERINFO_URL, { accessToken: user.tokens.access_token }),
        )
      ).status,
    ).toBe(401);
  });

  test('validate checks the given proof, and introspection names the key', async () => {
    const { access_token } = await boundPair();
    const htu = 'https://tasks.test/api';
    const context = (proof: string) => ({ context: { dpop: { proof, htm: 'GET', htu } } });
    expect(await verdictOn({ api: api.url }, access_token)).toBe('binding_mismatch');
    expect(
      await verdictOn({ api: api.url }, access_token, context(maker.proof('GET', htu, { accessToken: access_token }))),
    ).toBe('active');
    expect(await verdictOn({ api: api.url }, access_token, context(maker.proof('GET', htu)))).toBe('binding_mismatch');
    const service = await harness.newClient(['tokens:introspect']);
    const { body } = await send(api.url, 'POST', '/oauth2/introspect', {
      basic: service,
      form: { token: access_token },
    });
    expect(body).toMatchObject({ active: true, token_type: 'DPoP', cnf: decodeJwt(access_token).cnf });
  });
});

describe('client certificates (RFC 8705 §3)', () => {
  const shown = { 'client-cert': `:${derOf(CERTIFICATE)}:`, 'x-forwarded-for': '203.0.113.9' };
  const otherShown = { ...shown, 'client-cert': encodeURIComponent(OTHER_CERTIFICATE.pem) };
  const none: Record<string, string> = {};
  const cnfOf = ({ thumbprint }: TestCertificate) => ({ 'x5t#S256': thumbprint });
  const userInfo = (bearer: string, headers: Readonly<Record<string, string>>, copy = api) =>
    send(copy.url, 'GET', '/oauth2/userinfo', { bearer, headers });

  async function certifiedPair(client: ClientCredentials) {
    const verifier = newVerifier();
    const code = await codeOf(api, user, client.client_id, verifier);
    const answer = await askToken(api, client, codeForm(code, verifier), shown);
    expect([answer.status, answer.body.token_type], answer.text).toEqual([200, 'Bearer']);
    expect(decodeJwt(answer.body.access_token).cnf).toEqual(cnfOf(CERTIFICATE));
    return answer.body as { access_token: string; refresh_token: string };
  }

  test('a token bound to a certificate is 401 with another, with none, and with one that no trusted proxy verified', async () => {
    const { access_token } = await certifiedPair(app);
    expect((await userInfo(access_token, shown)).status).toBe(200);
    const { 'client-cert': certificate } = shown;
    for (const headers of [otherShown, none, { 'client-cert': certificate }, { ...shown, 'client-cert': 'x' }])
      expectProblem(await userInfo(access_token, headers), 401, 'unauthenticated');
    expectProblem(await userInfo(access_token, shown, other), 401, 'unauthenticated');
    const { body } = await send(api.url, 'GET', '/.well-known/oauth-authorization-server');
    expect(body.tls_client_certificate_bound_access_tokens).toBe(true);
  });

  test('the header of an untrusted peer binds nothing', async () => {
    const { body } = await askToken(other, site, { grant_type: 'client_credentials' }, shown);
    expect(decodeJwt(body.access_token).cnf).toBeUndefined();
  });

  test('a public client’s token family is refreshed only over a connection with its certificate, and stays bound', async () => {
    const { refresh_token } = await certifiedPair(app);
    const form = { grant_type: 'refresh_token', refresh_token };
    for (const headers of [none, otherShown])
      expect((await askToken(api, app, form, headers)).body.error).toBe('invalid_grant');
    const renewed = await askToken(api, app, form, shown);
    expect(decodeJwt(renewed.body.access_token).cnf).toEqual(cnfOf(CERTIFICATE));
  });

  test('a client with a secret may change its certificate (RFC 8705 §4), and tokens it exchanges are bound to its own', async () => {
    const { refresh_token } = await certifiedPair(site);
    const renewed = await askToken(api, site, { grant_type: 'refresh_token', refresh_token }, otherShown);
    expect(decodeJwt(renewed.body.access_token).cnf).toEqual(cnfOf(OTHER_CERTIFICATE));
    const machine = await askToken(api, site, { grant_type: 'client_credentials' }, shown);
    expect(decodeJwt(machine.body.access_token).cnf).toEqual(cnfOf(CERTIFICATE));
    const verifier = newVerifier();
    const free = await askToken(api, site, codeForm(await codeOf(api, user, site.client_id, verifier), verifier));
    const exchange = (subject_token: string) => ({
      grant_type: TOKEN_EXCHANGE,
      subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    const { body } = await askToken(api, site, exchange(free.body.access_token), shown);
    expect(decodeJwt(body.access_token).cnf, JSON.stringify(body)).toEqual(cnfOf(CERTIFICATE));
    expect((await askToken(api, site, exchange(renewed.body.access_token), otherShown)).body.code).toBe(
      'subject_token_invalid',
    );
  });

  test('an unreadable certificate is 400, because a token would be left unbound', async () => {
    const garbled = { ...shown, 'client-cert': `${shown['client-cert']}, ${shown['client-cert']}` };
    const answer = await askToken(api, site, { grant_type: 'client_credentials' }, garbled);
    expectOAuthError(answer, 400, 'invalid_request', 'client_certificate_unreadable');
  });

  test('a client that requires certificate-bound tokens gets none without a certificate, by any grant (RFC 8705 §3.4)', async () => {
    const strict = await newOAuthClient([api], 'none', ['authorization_code', 'refresh_token', 'client_credentials']);
    const before = await certifiedPair(strict);
    await harness.rows`UPDATE oauth_clients SET tls_client_certificate_bound_access_tokens = true
      WHERE "clientId" = ${strict.client_id}`;
    await api.ports.access.load();
    const verifier = newVerifier();
    const code = await codeOf(api, user, strict.client_id, verifier);
    const refresh = { grant_type: 'refresh_token', refresh_token: before.refresh_token };
    for (const form of [codeForm(code, verifier), refresh, { grant_type: 'client_credentials' }]) {
      const proved = dpop(maker.proof('POST', TOKEN_URL));
      for (const headers of [none, proved])
        expectOAuthError(await askToken(api, strict, form, headers), 400, 'invalid_request', 'request_invalid');
    }
    expect((await askToken(api, strict, codeForm(code, verifier), shown)).status).toBe(200);
  });

  test('where that client proves a key too, its tokens and refreshes are bound to both', async () => {
    const strict = await newOAuthClient([api], 'none', ['authorization_code', 'refresh_token']);
    await harness.rows`UPDATE oauth_clients SET tls_client_certificate_bound_access_tokens = true
      WHERE "clientId" = ${strict.client_id}`;
    await api.ports.access.load();
    const proved = (headers: Readonly<Record<string, string>>) => ({
      ...headers,
      ...dpop(maker.proof('POST', TOKEN_URL)),
    });
    const verifier = newVerifier();
    const form = codeForm(await codeOf(api, user, strict.client_id, verifier), verifier);
    const first = (await askToken(api, strict, form, proved(shown))).body;
    const refresh = { grant_type: 'refresh_token', refresh_token: first.refresh_token };
    for (const headers of [shown, proved(otherShown)])
      expect((await askToken(api, strict, refresh, headers)).body.error).toBe('invalid_grant');
    const second = (await askToken(api, strict, refresh, proved(shown))).body;
    for (const { access_token, token_type } of [first, second]) {
      expect(token_type).toBe('DPoP');
      expect(decodeJwt(access_token).cnf).toEqual({ jkt: expect.any(String), ...cnfOf(CERTIFICATE) });
      const over = (headers: Readonly<Record<string, string>>) =>
        send(api.url, 'GET', '/oauth2/userinfo', {
          headers: {
            ...headers,
            authorization: `DPoP ${access_token}`,
            dpop: maker.proof('GET', USERINFO_URL, { accessToken: access_token }),
          },
        });
      expect((await over(shown)).status).toBe(200);
      for (const headers of [none, otherShown]) expect((await over(headers)).status).toBe(401);
      expect((await userInfo(access_token, shown)).status).toBe(401);
    }
  });

  test('requirements of a client apply from its creation', async () => {
    const admin = await newPerson(api, ['admin']);
    const demands = [
      'dpop_bound_access_tokens',
      'tls_client_certificate_bound_access_tokens',
      'require_pushed_authorization_requests',
    ];
    const shownDemands = (of: object) => demands.filter((demand) => (of as Record<string, unknown>)[demand] === true);
    for (const demand of demands) {
      const json = {
        name: 'Strict',
        grant_types: ['client_credentials', 'authorization_code'],
        redirect_uris: [LOOPBACK_REDIRECT],
        [demand]: true,
        reason: 'made strict',
      };
      const made = await send(api.url, 'POST', '/v1/admin/clients', { bearer: admin.bearer, json });
      expect([made.status, shownDemands(made.body)], made.text).toEqual([201, [demand]]);
      const bare = await askToken(api, made.body, { grant_type: 'client_credentials' });
      expect(bare.status).toBe(demand === 'require_pushed_authorization_requests' ? 200 : 400);
      expect(api.ports.access.client(made.body.client_id)?.require_pushed_authorization_requests).toBe(
        bare.status === 200,
      );
    }
  });

  test.each(['dpop_bound_access_tokens', 'tls_client_certificate_bound_access_tokens'])(
    'requiring %s revokes earlier token families: a stolen refresh token cannot be bound to the attacker’s key',
    async (demand) => {
      const client = await newOAuthClient([api, other], 'none', ['authorization_code', 'refresh_token']);
      const verifier = newVerifier();
      const form = codeForm(await codeOf(api, user, client.client_id, verifier), verifier);
      const stolen = (await askToken(api, client, form)).body;
      const waiting = codeForm(await codeOf(api, user, client.client_id, verifier), verifier);
      const admin = await newPerson(api, ['admin']);
      const path = `/v1/admin/clients/${client.client_id}`;
      const change = (json: object) =>
        send(api.url, 'PATCH', path, { bearer: admin.bearer, json: { ...json, reason: 'harden' } });
      const changed = await change({ [demand]: true });
      expect([changed.status, changed.body[demand]], changed.text).toEqual([200, true]);
      const own = { ...otherShown, ...dpop(newProofMaker().proof('POST', TOKEN_URL)) };
      const refresh = { grant_type: 'refresh_token', refresh_token: stolen.refresh_token };
      expect((await askToken(api, client, refresh, own)).body.error).toBe('invalid_grant');
      expect(await verdictOn({ api: api.url }, stolen.access_token)).toBe('revoked');
      const late = { ...shown, ...dpop(maker.proof('POST', TOKEN_URL)) };
      expect((await askToken(api, client, waiting, late)).body.error).toBe('invalid_grant');
      // Setting it again, or removing it, revokes nothing.
      const fresh = codeForm(await codeOf(api, user, client.client_id, verifier), verifier);
      const bound = await askToken(api, client, fresh, { ...shown, ...dpop(maker.proof('POST', TOKEN_URL)) });
      expect(bound.status, bound.text).toBe(200);
      for (const value of [true, false]) expect((await change({ [demand]: value })).status).toBe(200);
      const again = { grant_type: 'refresh_token', refresh_token: bound.body.refresh_token };
      const renewed = await askToken(api, client, again, { ...shown, ...dpop(maker.proof('POST', TOKEN_URL)) });
      expect(renewed.status, renewed.text).toBe(200);
    },
  );

  test('validate checks the token against the given certificate, and introspection names the certificate', async () => {
    const { access_token } = await certifiedPair(app);
    const context = ({ thumbprint }: TestCertificate) => ({ context: { 'x5t#S256': thumbprint } });
    expect(await verdictOn({ api: api.url }, access_token)).toBe('binding_mismatch');
    expect(await verdictOn({ api: api.url }, access_token, context(OTHER_CERTIFICATE))).toBe('binding_mismatch');
    expect(await verdictOn({ api: api.url }, access_token, context(CERTIFICATE))).toBe('active');
    const service = await harness.newClient(['tokens:introspect']);
    const asked = { basic: service, form: { token: access_token } };
    const { body } = await send(api.url, 'POST', '/oauth2/introspect', asked);
    expect(body).toMatchObject({ active: true, token_type: 'Bearer', cnf: cnfOf(CERTIFICATE) });
  });
});
