import { createHash, randomBytes } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../domain/access/create-client.ts';
import { API_URL, type ApiCopy } from '../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/api-world.ts';
import { enrolled } from '../../platform/testing/factor-flows.ts';
import { signUp, type TestUser, untilVerdict, verdictOn } from '../../platform/testing/flows.ts';
import { type Received, send } from '../../platform/testing/http-client.ts';
import { type Browser, openBrowser, type Shown } from '../../platform/testing/oauth-browser.ts';
import { testCaller } from '../../platform/testing/ports.ts';
import type { ClientCredentials } from '../../platform/testing/product.ts';

const REDIRECT = 'http://127.0.0.1/callback';
const WEB = 'https://app.example.test/cb?tenant=1';
const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'tasks:read'];

let world: ApiWorld;
let api: ApiCopy;
let user: TestUser;
let site: ClientCredentials;
let app: { readonly client_id: string };

/** Requests to the issuer's name reach the copy under test. */
const viaApi = {
  [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, api.url), init),
  [oauth.allowInsecureRequests]: true,
};

async function newClient(authMethod: 'client_secret_basic' | 'none', redirectUris: string[]) {
  const grantTypes = ['authorization_code', 'refresh_token'];
  const made = await createClient(
    api.ports,
    { name: 'Tasks <b>', authMethod, grantTypes, scopes: SCOPES, redirectUris, audiences: ['*'] },
    testCaller,
  );
  return { client_id: made.clientId, client_secret: made.clientSecret ?? '' };
}

beforeAll(async () => {
  world = await openApiWorld();
  api = await world.startCopy();
  user = await signUp({ api: api.url });
  site = await newClient('client_secret_basic', [WEB, REDIRECT]);
  app = await newClient('none', [REDIRECT]);
  await api.ports.access.load();
});
afterAll(() => world?.close());

const verifierOf = () => randomBytes(32).toString('base64url');
const challengeOf = (verifier: string) => createHash('sha256').update(verifier).digest('base64url');
const newBrowser = (): Browser => openBrowser(api.url, API_URL);

/** A browser in which the user is signed in. */
function signedIn(as: TestUser = user): Browser {
  const browser = newBrowser();
  for (const pair of as.cookie.split('; '))
    browser.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
  return browser;
}

type Members = Readonly<Record<string, string | undefined>>;
function authorizePath(client: { client_id: string }, verifier: string, members: Members = {}): string {
  const all: Members = {
    client_id: client.client_id,
    redirect_uri: client === site ? WEB : REDIRECT,
    response_type: 'code',
    scope: 'openid email',
    state: 'a state &=',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...members,
  };
  const query = new URLSearchParams(
    Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  return `/oauth2/authorize?${query}`;
}

const allow = { decision: 'allow', scope: SCOPES };

/** A code for the signed-in user, consent given on the way. */
async function codeFor(client: { client_id: string }, verifier: string, members: Members = {}): Promise<string> {
  const browser = signedIn();
  let shown = await browser.open(authorizePath(client, verifier, members));
  if (shown.leftFor === null) shown = await browser.submit(shown, allow);
  expect(shown.leftFor?.searchParams.get('code'), shown.text).toMatch(/^[\w-]{43}$/);
  return shown.leftFor?.searchParams.get('code') as string;
}

const redeem = (
  code: string,
  verifier: string,
  members: Record<string, string> = {},
  basic: ClientCredentials | null = site,
): Promise<Received> =>
  send(api.url, 'POST', '/oauth2/token', {
    ...(basic === null ? {} : { basic }),
    form: {
      grant_type: 'authorization_code',
      code,
      redirect_uri: basic === null ? REDIRECT : WEB,
      code_verifier: verifier,
      ...members,
    },
  });
const errorAt = (shown: Shown) => Object.fromEntries(shown.leftFor?.searchParams ?? []);

describe('an outside client (oauth4webapi)', () => {
  test.each([
    [
      'confidential',
      () => ({ client: { client_id: site.client_id }, auth: oauth.ClientSecretBasic(site.client_secret) }),
    ],
    ['public', () => ({ client: { client_id: app.client_id }, auth: oauth.None() })],
  ])('%s: discovery, login, consent, code with PKCE, ID token, userinfo, refresh', async (_kind, made) => {
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
      login_hint: user.email,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const browser = newBrowser();
    const login = await browser.open(`${new URL(as.authorization_endpoint as string).pathname}?${query}`);
    expect(login.text).toContain(`value="${user.email}"`);
    const consent = await browser.submit(login, { email: user.email, password: user.password });
    expect(consent.text).toContain('Tasks &lt;b&gt;');
    const { leftFor } = await browser.submit(consent, allow);
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
    expect(claims).toMatchObject({
      sub: user.id,
      email: user.email,
      email_verified: false,
      auth_time: expect.any(Number),
    });
    const info = await oauth.userInfoRequest(as, client, tokens.access_token, viaApi);
    expect(await oauth.processUserInfoResponse(as, client, user.id, info)).toEqual({
      sub: user.id,
      email: user.email,
      email_verified: false,
    });
    const again = await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token as string, viaApi);
    const refreshed = await oauth.processRefreshTokenResponse(as, client, again);
    expect(decodeJwt(refreshed.access_token)).toMatchObject({
      sub: user.id,
      client_id: client.client_id,
      scope: 'openid email offline_access',
    });
    expect(await verdictOn({ api: api.url }, refreshed.access_token)).toBe('active');
  });
});

describe('codes', () => {
  test('T3: fifty uses at once give one pair, and the second use ends what the first began', async () => {
    const verifier = verifierOf();
    const code = await codeFor(site, verifier);
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(code, verifier)));
    const ok = answers.filter(({ status }) => status === 200);
    expect(ok).toHaveLength(1);
    // All of them want one row: on a busy machine a few give up waiting for a connection, and are told to come again.
    const refused = answers.filter(({ status }) => status === 400);
    expect(refused.length).toBeGreaterThanOrEqual(44);
    for (const { body } of refused)
      expect([body.error, body.code]).toEqual(['invalid_grant', 'authorization_code_invalid']);
    for (const { status, body, headers } of answers)
      if (status !== 200 && status !== 400)
        expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'store_unavailable', '1']);
    const { access_token, refresh_token } = ok[0]!.body;
    await untilVerdict({ api: api.url }, access_token, 'revoked');
    const refresh = await send(api.url, 'POST', '/oauth2/token', {
      basic: site,
      form: { grant_type: 'refresh_token', refresh_token },
    });
    expect([refresh.status, refresh.body.error]).toEqual([400, 'invalid_grant']);
    const events = await world.rows(
      `SELECT outcome, client_id FROM audit_outbox WHERE type = 'oauth.code_reused' AND target_id = $1`,
      [decodeJwt(access_token).fid],
    );
    expect(events.length).toBeGreaterThan(0);
    expect(events[0]).toEqual({ outcome: 'ended', client_id: site.client_id });
    // Of a login that is over already the use is told, and nothing is ended again.
    expect((await redeem(code, verifier)).body.code).toBe('authorization_code_invalid');
    const told = await world.rows(`SELECT 1 FROM audit_outbox WHERE type = 'oauth.code_reused' AND target_id = $1`, [
      decodeJwt(access_token).fid,
    ]);
    expect(told).toHaveLength(events.length + 1);
  });

  test('T3: a code lives a minute', async () => {
    await codeFor(site, verifierOf());
    const [row] = await world.rows(
      'SELECT max(extract(epoch FROM expires_at - clock_timestamp())) AS seconds FROM oauth_codes',
    );
    expect(Number(row.seconds)).toBeGreaterThan(0);
    expect(Number(row.seconds)).toBeLessThanOrEqual(60);
    const verifier = verifierOf();
    const code = await codeFor(site, verifier);
    await world.rows('UPDATE oauth_codes SET expires_at = clock_timestamp()');
    expect((await redeem(code, verifier)).body).toMatchObject({
      error: 'invalid_grant',
      code: 'authorization_code_invalid',
    });
  });

  test('T5, T13: wrong verifier, redirect_uri or client, none of them: invalid_grant, and the code is still the client’s', async () => {
    const verifier = verifierOf();
    const code = await codeFor(site, verifier);
    const other = await newClient('client_secret_basic', [WEB]);
    await api.ports.access.load();
    for (const answer of [
      await redeem(code, verifierOf()),
      await redeem(code, ''),
      await redeem(code, verifier, { redirect_uri: `${WEB}/` }),
      await redeem(code, verifier, { redirect_uri: '' }),
      await redeem(code, verifier, {}, other),
      await redeem('x', verifier),
      await redeem(verifierOf(), verifier),
    ])
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant']);
    const bare = await redeem(code, verifier, { client_id: site.client_id, redirect_uri: WEB }, null);
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    expect((await redeem(code, verifier, { resource: 'https://other.test' })).body.error).toBe('invalid_target');
    expect((await redeem('', verifier)).body.error).toBe('invalid_request');
    const answer = await redeem(code, verifier);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
  });

  test('RFC 8707: the resource of the request is the audience of its tokens, refreshed ones too', async () => {
    const verifier = verifierOf();
    const code = await codeFor(site, verifier, { resource: 'https://tasks.test/api', scope: 'tasks:read' });
    const { body } = await redeem(code, verifier, { resource: 'https://tasks.test/api' });
    expect(decodeJwt(body.access_token)).toMatchObject({ aud: 'https://tasks.test/api', scope: 'tasks:read' });
    expect(body).not.toHaveProperty('id_token');
    const wider = { grant_type: 'refresh_token', refresh_token: body.refresh_token, scope: 'openid' };
    expect((await send(api.url, 'POST', '/oauth2/token', { basic: site, form: wider })).body.error).toBe(
      'invalid_scope',
    );
  });

  test('an ID token is typed, names its audience and is no access token (J7)', async () => {
    const verifier = verifierOf();
    const { body } = await redeem(await codeFor(site, verifier, { nonce: 'n-0S6' }), verifier);
    expect(decodeProtectedHeader(body.id_token)).toMatchObject({ typ: 'JWT', alg: 'RS256' });
    const keys = createLocalJWKSet((await send(api.url, 'GET', '/.well-known/jwks.json')).body);
    const { payload } = await jwtVerify(body.id_token, keys, { issuer: API_URL, audience: site.client_id });
    expect(payload).toMatchObject({ nonce: 'n-0S6', sub: user.id, sid: user.sessionId });
    expect(await verdictOn({ api: api.url }, body.id_token)).toBe('wrong_type');
  });

  test('the login belongs to its client and ends with the session', async () => {
    const own = await signUp({ api: api.url });
    const browser = newBrowser();
    const verifier = verifierOf();
    const login = await browser.open(authorizePath(app, verifier));
    const consent = await browser.submit(login, { email: own.email, password: own.password });
    const { leftFor } = await browser.submit(consent, allow);
    const code = leftFor?.searchParams.get('code') as string;
    const { body } = await redeem(code, verifier, { client_id: app.client_id }, null);
    const open = await send(api.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: body.refresh_token } });
    expect([open.status, open.body.code]).toEqual([401, 'refresh_token_invalid']);
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    await send(api.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: API_URL } });
    expect(await verdictOn({ api: api.url }, body.access_token)).toBe('session_ended');
  });
});

describe('the authorization endpoint', () => {
  test('T4: an address that is not registered gets an error page, never a redirect', async () => {
    const browser = signedIn();
    for (const redirect_uri of [
      `${WEB}/`,
      WEB.toUpperCase(),
      'https://user@app.example.test/cb?tenant=1',
      'https://app.example.test/%63b?tenant=1',
      'javascript:alert(1)',
      'https://app.example.test/',
      undefined,
    ]) {
      const shown = await browser.open(authorizePath(site, verifierOf(), { redirect_uri }));
      expect([shown.status, shown.leftFor], String(redirect_uri)).toEqual([400, null]);
      expect(shown.headers.get('content-type')).toMatch(/^text\/html/);
    }
    expect((await browser.open(authorizePath({ client_id: 'nobody' }, verifierOf()))).status).toBe(400);
  });

  test('T5, T6, T7: refusals go to the client with the exact iss and its state', async () => {
    const browser = signedIn();
    for (const [members, error] of [
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ code_challenge: undefined }, 'invalid_request'],
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ scope: 'openid keys:manage' }, 'invalid_scope'],
      [{ resource: 'nowhere' }, 'invalid_target'],
      [{ request_uri: 'urn:x' }, 'request_uri_not_supported'],
      [{ prompt: 'none', scope: 'profile', resource: 'https://new.test' }, 'consent_required'],
    ] as const)
      expect(errorAt(await browser.open(authorizePath(site, verifierOf(), members)))).toMatchObject({
        error,
        iss: API_URL,
        state: 'a state &=',
        tenant: '1',
      });
    const nobody = await newBrowser().open(authorizePath(site, verifierOf(), { prompt: 'none' }));
    expect(errorAt(nobody)).toMatchObject({ error: 'login_required', iss: API_URL });
  });

  test('consent is asked once, kept as far as it went, and can be denied', async () => {
    const own = await newClient('client_secret_basic', [WEB]);
    await api.ports.access.load();
    const browser = signedIn();
    const path = authorizePath(own, verifierOf(), { redirect_uri: WEB, scope: 'openid email tasks:read' });
    const first = await browser.open(path);
    expect(errorAt(await browser.submit(first, { decision: 'deny' }))).toMatchObject({
      error: 'access_denied',
      iss: API_URL,
    });
    const verifier = verifierOf();
    const narrowed = await browser.submit(
      await browser.open(authorizePath(own, verifier, { redirect_uri: WEB, scope: 'openid email tasks:read' })),
      { decision: 'allow', scope: ['openid', 'email'] },
    );
    const { body } = await redeem(narrowed.leftFor?.searchParams.get('code') as string, verifier, {}, own);
    expect(body.scope).toBe('openid email');
    const rows = await world.rows('SELECT scopes FROM oauth_consents WHERE client_id = $1', [own.client_id]);
    expect(rows).toEqual([{ scopes: ['openid', 'email'] }]);
    expect(
      (await browser.open(authorizePath(own, verifier, { redirect_uri: WEB, scope: 'openid' }))).leftFor,
    ).not.toBeNull();
    expect((await browser.open(path)).leftFor).toBeNull();
    expect(
      (await browser.open(authorizePath(own, verifier, { redirect_uri: WEB, scope: 'openid', prompt: 'consent' })))
        .leftFor,
    ).toBeNull();
    // Who agreed to it may not have been whose address it is.
    await world.rows(`UPDATE users SET "emailVerified" = now() WHERE "emailVerified" IS NULL`);
    expect(await world.rows('SELECT 1 FROM oauth_consents WHERE client_id = $1', [own.client_id])).toEqual([]);
    const types = await world.rows(
      `SELECT type, outcome FROM audit_outbox WHERE target_id = $1 AND type LIKE 'oauth.%' ORDER BY id`,
      [own.client_id],
    );
    expect(types.map(({ type, outcome }) => `${type} ${outcome}`)).toEqual([
      'oauth.authorized denied',
      'oauth.consent_granted ok',
      'oauth.authorized ok',
      'oauth.authorized ok',
    ]);
  });

  test('prompt=login and max_age=0 ask for a new login, once; it may be another’s', async () => {
    const before = await signUp({ api: api.url });
    for (const members of [{ prompt: 'login' }, { max_age: '0' }, { prompt: 'select_account' }]) {
      const login = await signedIn(before).open(authorizePath(site, verifierOf(), { ...members, scope: 'profile' }));
      expect(login.text).toContain('action="/login"');
    }
    const browser = signedIn(before);
    const login = await browser.open(authorizePath(site, verifierOf(), { prompt: 'login', scope: 'profile' }));
    const wrong = await browser.submit(login, { email: user.email, password: 'wrong password' });
    expect([wrong.status, wrong.leftFor]).toEqual([401, null]);
    expect(wrong.text).toContain('role="alert"');
    // RFC 9110 §15.5.2; no browser opens its own dialog for this one.
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer realm="sallyport"');
    const after = await browser.submit(wrong, { email: user.email, password: user.password });
    expect(after.text).toContain('action="/oauth2/consent"');
    expect(after.text).toContain(user.email);
  });

  test('a password alone opens nothing where there is a second factor; a code goes on to the request', async () => {
    const { person, codes } = await enrolled({ url: api.url });
    const browser = newBrowser();
    const login = await browser.open(authorizePath(site, verifierOf(), { scope: 'profile' }));
    const half = await browser.submit(login, { email: person.email, password: person.password });
    expect(half.text).toContain('action="/login/code"');
    expect((await browser.open('/login')).text).not.toContain('You are signed in');
    const wrong = await browser.submit(half, { code: '000 000' });
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([401, true]);
    expect((await newBrowser().submit(half, { code: codes[0] as string })).status).toBe(403);
    const consent = await browser.submit(wrong, { code: codes[0] as string });
    expect(consent.text).toContain(person.email);
    const over = await browser.submit(
      {
        ...half,
        text: half.text.replace(
          /name="form_token" value="[^"]+"/,
          /name="form_token" value="[^"]+"/.exec(consent.text)?.[0] ?? '',
        ),
      },
      { code: codes[1] as string },
    );
    expect([over.status, over.text.includes('action="/login"')]).toEqual([401, true]);
  });

  test('pages: strict policy, no script, the client’s address as the only way out; a form of another browser is refused (U9)', async () => {
    const browser = signedIn();
    const consent = await browser.open(authorizePath(site, verifierOf(), { prompt: 'consent' }));
    const policy = consent.headers.get('content-security-policy');
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/app\.example\.test; base-uri 'none'; frame-ancestors 'none'$/,
    );
    expect(consent.text).not.toMatch(/<script|javascript:| on\w+=/i);
    expect(consent.headers.get('cache-control')).toBe('no-store');
    const elsewhere = signedIn();
    await elsewhere.open(authorizePath(site, verifierOf(), { prompt: 'consent' }));
    expect((await elsewhere.submit(consent, allow)).status).toBe(403);
    expect(
      (
        await openBrowser(api.url, 'https://evil.test').submit(await newBrowser().open('/login'), {
          email: 'a@b.test',
          password: 'x',
        })
      ).status,
    ).toBe(403);
    const plain = await newBrowser().open('/login?next=https://evil.test');
    expect(plain.text).toContain('name="next" value="/login"');
    const home = await signedIn().open('/login');
    expect(home.text).toContain('You are signed in');
  });

  test('userinfo tells nothing without openid, nor to a token of a client', async () => {
    const verifier = verifierOf();
    const { body } = await redeem(await codeFor(site, verifier, { scope: 'email' }), verifier);
    const refused = await send(api.url, 'GET', '/oauth2/userinfo', { bearer: body.access_token });
    expect([refused.status, refused.body.code]).toEqual([403, 'openid_scope_missing']);
    expect((await send(api.url, 'GET', '/oauth2/userinfo')).status).toBe(401);
    expect((await send(api.url, 'GET', '/oauth2/userinfo', { bearer: 'x.y.z' })).status).toBe(401);
  });
});
