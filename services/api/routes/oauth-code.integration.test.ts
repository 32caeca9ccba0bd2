import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { describe, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { atOnce, signUp, untilVerdict, verdictOn } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openCodeHarness, WEB_REDIRECT } from './oauth-code-harness.ts';

const harness = opened(openCodeHarness);

/** Sends requests for the issuer's host name to the copy under test. */
const viaApi = {
  [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, harness.api.url), init),
  [oauth.allowInsecureRequests]: true,
};

describe('an outside client (oauth4webapi)', () => {
  test.each([
    [
      'confidential',
      () => ({
        client: { client_id: harness.site.client_id },
        auth: oauth.ClientSecretBasic(harness.site.client_secret),
      }),
    ],
    ['public', () => ({ client: { client_id: harness.app.client_id }, auth: oauth.None() })],
  ])('%s: discovery, sign-in, consent, code with PKCE, ID token, userinfo, refresh', async (_kind, made) => {
    const { client, auth } = made();
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, viaApi));
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const redirectUri = 'http://127.0.0.1:49152/callback';
    const query = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid email offline_access',
      state,
      nonce,
      login_hint: harness.user.email,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const browser = browserOf(harness.api);
    const login = await browser.open(`${new URL(as.authorization_endpoint as string).pathname}?${query}`);
    expect(login.text).toContain(`value="${harness.user.email}"`);
    const consent = await browser.submit(login, { email: harness.user.email, password: harness.user.password });
    expect(consent.text).toContain('Tasks &lt;b&gt;');
    const { leftFor } = await browser.submit(consent, ALLOW);
    const parameters = oauth.validateAuthResponse(as, client, leftFor as URL, state);
    const answer = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      auth,
      parameters,
      redirectUri,
      verifier,
      viaApi,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    expect(claims).toMatchObject({ sub: harness.user.id, auth_time: expect.any(Number) });
    // OpenID Connect Core §5.4: with an access token, what the scope email asks for comes from UserInfo alone.
    expect(claims).not.toHaveProperty('email');
    expect(claims).not.toHaveProperty('email_verified');
    const info = await oauth.userInfoRequest(as, client, tokens.access_token, viaApi);
    expect(await oauth.processUserInfoResponse(as, client, harness.user.id, info)).toEqual({
      sub: harness.user.id,
      email: harness.user.email,
      email_verified: false,
    });
    const hinted = new URLSearchParams([...query, ['prompt', 'none'], ['id_token_hint', tokens.id_token as string]]);
    const silent = `${new URL(as.authorization_endpoint as string).pathname}?${hinted}`;
    const seen = (await browserOf(harness.api, await newSignedIn(harness.api)).open(silent)).leftFor as URL;
    expect(() => oauth.validateAuthResponse(as, client, seen, state)).toThrow(
      expect.objectContaining({ error: 'consent_required' }),
    );
    const again = await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token as string, viaApi);
    const refreshed = await oauth.processRefreshTokenResponse(as, client, again);
    expect(decodeJwt(refreshed.access_token)).toMatchObject({
      sub: harness.user.id,
      client_id: client.client_id,
      scope: 'openid email offline_access',
    });
    expect(await verdictOn({ api: harness.api.url }, refreshed.access_token)).toBe('active');
  });
});

describe('a confidential client that an administrator exempted from PKCE', () => {
  test('signs a user in with an outside library that sends no challenge', async () => {
    const { ports } = harness.api;
    const input = {
      name: 'Old',
      grant_types: ['authorization_code'],
      scopes: ['openid', 'email'],
      redirect_uris: [LOOPBACK_REDIRECT],
      pkce: 'optional' as const,
    };
    const { clientId, clientSecret } = await createClient(ports, input, testCaller);
    await ports.access.load();
    const client = { client_id: clientId };
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, viaApi));
    const without = { code_challenge: undefined, code_challenge_method: undefined };
    const code = await harness.codeFor(client, '', without);
    const answered = new URLSearchParams({ code, iss: API_URL });
    const parameters = oauth.validateAuthResponse(as, client, answered, oauth.expectNoState);
    const auth = oauth.ClientSecretBasic(clientSecret as string);
    const answer = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      auth,
      parameters,
      LOOPBACK_REDIRECT,
      oauth.nopkce,
      viaApi,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { requireIdToken: true });
    expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(harness.user.id);
  });
});

describe('codes', () => {
  test('fifty concurrent uses give one token pair, and reuse revokes the family that the first use began', async () => {
    const verifier = newVerifier();
    const code = await harness.codeFor(harness.site, verifier);
    const answers = await atOnce(50, () => harness.redeem(code, verifier));
    const ok = answers.filter(({ status }) => status === 200);
    expect(ok).toHaveLength(1);
    // All of them need one row: on a busy machine a few time out waiting for a connection and are answered 503.
    const refused = answers.filter(({ status }) => status === 400);
    expect(refused.length).toBeGreaterThanOrEqual(44);
    for (const { body } of refused)
      expect([body.error, body.code]).toEqual(['invalid_grant', 'authorization_code_invalid']);
    for (const { status, body, headers } of answers)
      if (status !== 200 && status !== 400)
        expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'store_unavailable', '1']);
    const { access_token, refresh_token } = ok[0]!.body;
    await untilVerdict({ api: harness.api.url }, access_token, 'revoked');
    const refresh = await send(harness.api.url, 'POST', '/oauth2/token', {
      basic: harness.site,
      form: { grant_type: 'refresh_token', refresh_token },
    });
    expect([refresh.status, refresh.body.error]).toEqual([400, 'invalid_grant']);
    const events = await harness.rows`SELECT outcome, client_id FROM audit_outbox
      WHERE type = 'oauth.code_reused' AND target_id = ${decodeJwt(access_token).fid}`;
    expect(events.length).toBeGreaterThan(0);
    expect(events[0]).toEqual({ outcome: 'ended', client_id: harness.site.client_id });
    // Reuse for an already revoked family is recorded, and nothing is revoked again.
    expect((await harness.redeem(code, verifier)).body.code).toBe('authorization_code_invalid');
    const told = await harness.rows`SELECT 1 FROM audit_outbox
      WHERE type = 'oauth.code_reused' AND target_id = ${decodeJwt(access_token).fid}`;
    expect(told).toHaveLength(events.length + 1);
  });

  test('a wrong or missing verifier, redirect_uri or client is invalid_grant, and the code stays usable by its client', async () => {
    const verifier = newVerifier();
    const code = await harness.codeFor(harness.site, verifier);
    const other = await harness.newSite();
    for (const answer of [
      await harness.redeem(code, newVerifier()),
      await harness.redeem(code, ''),
      await harness.redeem(code, verifier, { redirect_uri: `${WEB_REDIRECT}/` }),
      await harness.redeem(code, verifier, { redirect_uri: '' }),
      await harness.redeem(code, verifier, {}, other),
      await harness.redeem('x', verifier),
      await harness.redeem(newVerifier(), verifier),
    ])
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant']);
    const bare = await harness.redeem(
      code,
      verifier,
      { client_id: harness.site.client_id, redirect_uri: WEB_REDIRECT },
      null,
    );
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    expect((await harness.redeem(code, verifier, { resource: 'https://other.test' })).body.error).toBe(
      'invalid_target',
    );
    expect((await harness.redeem('', verifier)).body.error).toBe('invalid_request');
    const answer = await harness.redeem(code, verifier);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
  });

  test('RFC 8707: the requested resource is the audience of its tokens, refreshed ones too', async () => {
    const verifier = newVerifier();
    const code = await harness.codeFor(harness.site, verifier, {
      resource: 'https://tasks.test/api',
      scope: 'tasks:read',
    });
    const { body } = await harness.redeem(code, verifier, { resource: 'https://tasks.test/api' });
    expect(decodeJwt(body.access_token)).toMatchObject({ aud: 'https://tasks.test/api', scope: 'tasks:read' });
    expect(body).not.toHaveProperty('id_token');
    const wider = { grant_type: 'refresh_token', refresh_token: body.refresh_token, scope: 'openid' };
    expect(
      (await send(harness.api.url, 'POST', '/oauth2/token', { basic: harness.site, form: wider })).body.error,
    ).toBe('invalid_scope');
  });

  test('OpenID Connect Core §3.1.2.1: scopes that are none here are ignored, and the answer names the granted ones', async () => {
    const verifier = newVerifier();
    const code = await harness.codeFor(harness.site, verifier, { scope: 'openid email groups argo' });
    const { body } = await harness.redeem(code, verifier);
    expect(body.scope).toBe('openid email');
    expect(decodeJwt(body.access_token).scope).toBe('openid email');
    const again = { grant_type: 'refresh_token', refresh_token: body.refresh_token, scope: 'openid groups' };
    const { body: narrow } = await send(harness.api.url, 'POST', '/oauth2/token', { basic: harness.site, form: again });
    expect(decodeJwt(narrow.access_token).scope).toBe('openid');
  });

  test('an ID token is typed, names its audience and is not accepted as an access token', async () => {
    const verifier = newVerifier();
    const { body } = await harness.redeem(await harness.codeFor(harness.site, verifier, { nonce: 'n-0S6' }), verifier);
    expect(decodeProtectedHeader(body.id_token)).toMatchObject({ typ: 'JWT', alg: 'RS256' });
    const keys = createLocalJWKSet((await send(harness.api.url, 'GET', '/.well-known/jwks.json')).body);
    const { payload } = await jwtVerify(body.id_token, keys, { issuer: API_URL, audience: harness.site.client_id });
    expect(payload).toMatchObject({ nonce: 'n-0S6', sub: harness.user.id, sid: harness.user.sessionId });
    expect(await verdictOn({ api: harness.api.url }, body.id_token)).toBe('wrong_type');
  });

  test('the token family belongs to its client and ends with the session', async () => {
    const own = await signUp({ api: harness.api.url });
    const browser = browserOf(harness.api);
    const verifier = newVerifier();
    const login = await browser.open(harness.authorizePath(harness.app, verifier));
    const consent = await browser.submit(login, { email: own.email, password: own.password });
    const { leftFor } = await browser.submit(consent, ALLOW);
    const code = leftFor?.searchParams.get('code') as string;
    const { body } = await harness.redeem(code, verifier, { client_id: harness.app.client_id }, null);
    const open = await send(harness.api.url, 'POST', '/v1/tokens/refresh', {
      json: { refresh_token: body.refresh_token },
    });
    expect([open.status, open.body.code]).toEqual([401, 'refresh_token_invalid']);
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    await send(harness.api.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: API_URL } });
    expect(await verdictOn({ api: harness.api.url }, body.access_token)).toBe('session_ended');
  });
});
