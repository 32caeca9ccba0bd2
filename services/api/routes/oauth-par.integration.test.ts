import * as oauth from 'oauth4webapi';
import { describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { patiently, signUp } from '#tools/testing/flows/flows.ts';
import type { Shown } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import {
  ALLOW,
  askToken,
  browserOf,
  challengeOf,
  codeForm,
  LOOPBACK_REDIRECT,
  newOAuthClient,
  newVerifier,
} from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, expectOAuthError, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

/** Another redirect address of the clients with a secret. */
const OTHER_REDIRECT = 'https://app.example.test/cb';

type Members = Readonly<Record<string, string>>;

/** The redirect address and verifier with which every code here is redeemed. */
const verifier = newVerifier();

const request = (members: Members = {}): Record<string, string> => ({
  redirect_uri: LOOPBACK_REDIRECT,
  response_type: 'code',
  scope: 'openid email',
  state: 's',
  code_challenge: challengeOf(verifier),
  code_challenge_method: 'S256',
  ...members,
});

/** The authorization address for a pushed request. */
const pushedPath = ({ client_id }: ClientCredentials, request_uri: string): string =>
  `/oauth2/authorize?${new URLSearchParams({ client_id, request_uri })}`;

/** The code that a browser was sent back with, or ''. */
const codeIn = (shown: Shown): string => shown.leftFor?.searchParams.get('code') ?? '';

const GRANTS = ['authorization_code', 'refresh_token'];
const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ hashes: false }));
const user = opened(() => signUp({ api: api.url }));
const newSite = () => newOAuthClient([api], 'client_secret_basic', GRANTS, [LOOPBACK_REDIRECT, OTHER_REDIRECT]);
const site = opened(newSite);
/** Another client with a secret. */
const rival = opened(newSite);
/** A public client. */
const app = opened(() => newOAuthClient([api], 'none', GRANTS));
const other = opened(() => harness.startCopy({ hashes: false }));

/** Pushes a form unchanged. @param dpop a proof sent with it */
function push(client: ClientCredentials, form: Members, dpop?: string): Promise<Received> {
  const headers: Members = dpop === undefined ? {} : { dpop };
  return client.client_secret === ''
    ? send(api.url, 'POST', '/oauth2/par', { headers, form: { ...form, client_id: client.client_id } })
    : send(api.url, 'POST', '/oauth2/par', { headers, basic: client, form });
}
/** A request's `request_uri`. @param members replace the defaults */
async function pushed(client: ClientCredentials, members: Members = {}): Promise<string> {
  const answer = await push(client, request(members));
  expect(answer.status, answer.text).toBe(201);
  return answer.body.request_uri;
}

describe('an outside client (oauth4webapi)', () => {
  test('metadata, pushed request, sign-in, consent, code, tokens', async () => {
    const via = {
      [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, api.url), init),
      [oauth.allowInsecureRequests]: true,
    } as const;
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { ...via, algorithm: 'oauth2' }),
    );
    expect(as.require_pushed_authorization_requests).toBe(false);
    const client: oauth.Client = { client_id: site.client_id };
    const auth = oauth.ClientSecretBasic(site.client_secret);
    const sent = await oauth.pushedAuthorizationRequest(as, client, auth, request({ login_hint: user.email }), via);
    const { request_uri, expires_in } = await oauth.processPushedAuthorizationResponse(as, client, sent);
    expect(expires_in).toBeGreaterThanOrEqual(5);
    expect(expires_in).toBeLessThanOrEqual(600);
    const browser = browserOf(api);
    const login = await browser.open(pushedPath(site, request_uri));
    expect(login.text).toContain(`value="${user.email}"`);
    expect(login.headers.get('content-security-policy')).toContain("form-action 'self' http://127.0.0.1");
    const consent = await browser.submit(login, { email: user.email, password: user.password });
    expect(consent.text).toContain('Tasks &lt;b&gt;');
    const { leftFor } = await browser.submit(consent, ALLOW);
    const parameters = oauth.validateAuthResponse(as, client, leftFor as URL, 's');
    const answer = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      auth,
      parameters,
      LOOPBACK_REDIRECT,
      verifier,
      via,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { requireIdToken: true });
    expect([tokens.scope, oauth.getValidatedIdTokenClaims(tokens)?.sub]).toEqual(['openid email', user.id]);
  });
});

describe('a request_uri', () => {
  test('works for one answer, on any copy, however many browsers use it at once', async () => {
    const uri = await pushed(site, { prompt: 'consent' });
    const [first, second] = [browserOf(api, user), browserOf(other, user)];
    const pages = [await first.open(pushedPath(site, uri)), await second.open(pushedPath(site, uri))];
    expect(pages.map(({ status }) => status)).toEqual([200, 200]);
    const answers = await Promise.all([
      first.submit(pages[0] as Shown, ALLOW),
      second.submit(pages[1] as Shown, ALLOW),
    ]);
    expect(answers.filter((shown) => codeIn(shown) !== '')).toHaveLength(1);
    expect(answers.filter(({ status, leftFor }) => status === 400 && leftFor === null)).toHaveLength(1);
    expect([
      (await first.open(pushedPath(site, uri))).status,
      (await second.open(pushedPath(site, uri))).status,
    ]).toEqual([400, 400]);
  });

  test('denied twice at once is one decision, also in the audit log', async () => {
    const own = await newOAuthClient([api, other], 'none', ['authorization_code']);
    const uri = await pushed(own);
    const browsers = [browserOf(api, user), browserOf(other, user)] as const;
    const [first, second] = [
      await browsers[0].open(pushedPath(own, uri)),
      await browsers[1].open(pushedPath(own, uri)),
    ];
    const no = { decision: 'deny' };
    const answers = await Promise.all([browsers[0].submit(first, no), browsers[1].submit(second, no)]);
    expect(answers.filter(({ leftFor }) => leftFor?.searchParams.get('error') === 'access_denied')).toHaveLength(1);
    const decided = `SELECT outcome FROM audit_outbox WHERE type = 'oauth.authorized' AND client_id = $1`;
    expect(await harness.rows(decided, [own.client_id])).toEqual([{ outcome: 'denied' }]);
  });

  test('a pushed request is used up by an error and by a code that needs no page (CVE-2026-96446, Keycloak: a pushed request that was answered without a page could be used again)', async () => {
    const browser = browserOf(api, user);
    const denied = await pushed(site, { prompt: 'consent' });
    const no = await browser.submit(await browser.open(pushedPath(site, denied)), { decision: 'deny' });
    expect(no.leftFor?.searchParams.get('error')).toBe('access_denied');
    const silent = await pushed(site, { prompt: 'none' });
    expect((await browserOf(api).open(pushedPath(site, silent))).leftFor?.searchParams.get('error')).toBe(
      'login_required',
    );
    await browser.submit(await browser.open(pushedPath(site, await pushed(site, { prompt: 'consent' }))), ALLOW);
    const granted = await pushed(site, { prompt: 'none' });
    const answers = await Promise.all(
      [api, other, api].map((copy) => browserOf(copy, user).open(pushedPath(site, granted))),
    );
    expect(answers.filter((shown) => codeIn(shown) !== '')).toHaveLength(1);
    for (const uri of [denied, silent, granted]) {
      const again = await browser.open(pushedPath(site, uri));
      expect([again.status, again.leftFor]).toEqual([400, null]);
    }
  });

  test('works only for its client and until it expires, and parameters sent with it are ignored', async () => {
    const browser = browserOf(api, user);
    const uri = await pushed(site, { prompt: 'consent', scope: 'openid' });
    for (const path of [
      pushedPath(rival, uri),
      pushedPath(app, uri),
      `/oauth2/authorize?${new URLSearchParams({ request_uri: uri })}`,
      pushedPath(site, `${uri.slice(0, -1)}${uri.endsWith('A') ? 'B' : 'A'}`),
    ]) {
      const shown = await browser.open(path);
      expect([shown.status, shown.leftFor], path).toEqual([400, null]);
    }
    const beside = new URLSearchParams({
      ...request({ scope: 'openid email', redirect_uri: OTHER_REDIRECT, state: 'x' }),
    });
    const consent = await browser.open(`${pushedPath(site, uri)}&${beside}`);
    const { leftFor } = await browser.submit(consent, ALLOW);
    expect(leftFor?.href).toMatch(/^http:\/\/127\.0\.0\.1\/callback\?/);
    expect(leftFor?.searchParams.get('state')).toBe('s');
    const token = await askToken(api, site, codeForm(leftFor?.searchParams.get('code') as string, verifier));
    expect(token.body.scope).toBe('openid');
    const late = await pushed(site);
    await harness.rows`UPDATE oauth_pushed_requests SET expires_at = clock_timestamp()`;
    expect((await browser.open(pushedPath(site, late))).status).toBe(400);
  });

  test('prompt=login of a pushed request is satisfied by the sign-in it requires', async () => {
    // Signing in again replaces the cookie, which other tests of this file use.
    const own = await signUp({ api: api.url });
    const browser = browserOf(api, own);
    const login = await browser.open(pushedPath(site, await pushed(site, { prompt: 'login' })));
    expect(login.text).toContain('type="password"');
    const consent = await browser.submit(login, { email: own.email, password: own.password });
    expect(codeIn(await browser.submit(consent, ALLOW))).not.toBe('');
  });

  test('a client that must push is refused with parameters in the address', async () => {
    const strict = await newOAuthClient([api], 'client_secret_basic', ['authorization_code']);
    await harness.rows`UPDATE oauth_clients SET require_pushed_authorization_requests = true
      WHERE "clientId" = ${strict.client_id}`;
    await api.ports.access.load();
    const browser = browserOf(api, user);
    const query = new URLSearchParams({ ...request(), client_id: strict.client_id });
    const plain = await browser.open(`/oauth2/authorize?${query}`);
    expect(plain.leftFor?.searchParams.get('error')).toBe('invalid_request');
    const consent = await browser.open(pushedPath(strict, await pushed(strict)));
    const shown = await browser.submit(consent, ALLOW);
    expect(codeIn(shown), shown.text + shown.leftFor?.href).not.toBe('');
  });
});

describe('both methods (OpenID Connect Core §3.1.2.1, §5.3.1)', () => {
  test('POST /oauth2/authorize redirects to the GET of the same request, without other form fields', async () => {
    const form = { ...request(), client_id: site.client_id, access_token: 'secret', code_verifier: 'secret' };
    const foreign = { form, headers: { origin: 'https://app.example.test' } };
    const { status, headers } = await send(api.url, 'POST', '/oauth2/authorize', foreign);
    const location = headers.get('location') as string;
    expect([status, location.startsWith('/oauth2/authorize?'), location.includes('secret')]).toEqual([
      303,
      true,
      false,
    ]);
    expect(codeIn(await browserOf(api, user).open(location))).not.toBe('');
    const long = { form: { ...form, state: 'x'.repeat(9_000) } };
    expect((await send(api.url, 'POST', '/oauth2/authorize', long)).status).toBe(400);
  });

  test('POST /oauth2/userinfo accepts the token in the header, not in the form', async () => {
    const browser = browserOf(api, user);
    const code = codeIn(await browser.open(pushedPath(site, await pushed(site))));
    const { access_token } = (await askToken(api, site, codeForm(code, verifier))).body;
    const bare = await send(api.url, 'POST', '/oauth2/userinfo', { bearer: access_token });
    expect([bare.status, bare.body.sub], bare.text).toEqual([200, user.id]);
    const form = await send(api.url, 'POST', '/oauth2/userinfo', { bearer: access_token, form: {} });
    expect(form.status).toBe(200);
    const inForm = await send(api.url, 'POST', '/oauth2/userinfo', { form: { access_token } });
    expect([inForm.status, inForm.body.code]).toEqual([401, 'unauthenticated']);
    expect((await send(api.url, 'POST', '/oauth2/userinfo')).status).toBe(401);
  });
});

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const range = (count: number): number[] => [...Array(count).keys()];

describe('pushing', () => {
  test('a request_uri inside is 400, like everything that the authorization endpoint would refuse', async () => {
    for (const [changes, error, code] of [
      [{ request_uri: await pushed(site) }, 'invalid_request', 'request_invalid'],
      [{ request_uri: '' }, 'invalid_request', 'request_invalid'],
      [{ redirect_uri: 'https://evil.test' }, 'invalid_request', 'request_invalid'],
      [{ code_challenge_method: 'plain' }, 'invalid_request', 'request_invalid'],
      [{ response_type: 'token' }, 'unsupported_response_type', 'response_type_unsupported'],
      [{ request: 'a.b.c' }, 'request_not_supported', 'request_object_unsupported'],
      [{ scope: 'openid users:manage' }, 'invalid_scope', 'scope_invalid'],
      [{ resource: 'nowhere' }, 'invalid_target', 'target_invalid'],
      [{ client_id: rival.client_id }, 'invalid_request', 'request_invalid'],
    ] as const)
      expectOAuthError(await push(site, request(changes)), 400, error, code);
    const service = await newOAuthClient([api], 'client_secret_basic', ['client_credentials']);
    expectOAuthError(await push(service, request()), 400, 'unauthorized_client', 'grant_not_allowed');
    const [{ count }] =
      await harness.rows`SELECT count(*)::int FROM oauth_pushed_requests WHERE client_id = ${service.client_id}`;
    expect(count).toBe(0);
  });

  test('a confidential client authenticates, a public one names itself; no row contains the secret', async () => {
    const nameless = { form: request() };
    const withoutName = await send(api.url, 'POST', '/oauth2/par', nameless);
    expectOAuthError(withoutName, 401, 'invalid_client', 'client_unauthenticated');
    const named = { form: { ...request(), client_id: site.client_id } };
    const withName = await send(api.url, 'POST', '/oauth2/par', named);
    expectOAuthError(withName, 401, 'invalid_client', 'client_unauthenticated');
    expect((await push({ ...site, client_secret: 'x' }, request())).status).toBe(401);
    await pushed(app);
    const byForm = { form: { ...request(), ...site } };
    expect((await send(api.url, 'POST', '/oauth2/par', byForm)).status).toBe(201);
    const rows = await harness.rows`SELECT query FROM oauth_pushed_requests`;
    expect(rows.length).toBeGreaterThan(1);
    expect(JSON.stringify(rows)).not.toContain(site.client_secret);
  });

  test('anonymous clients cannot fill the store: a client has a limited number of pending requests, and pushing writes no unlimited audit rows', async () => {
    const crowd = await newOAuthClient([api], 'none', ['authorization_code', DEVICE]);
    await harness.rows`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = ${crowd.client_id}`;
    await api.ports.access.load();
    const audited = () =>
      harness.rows`SELECT 1 FROM audit_outbox WHERE type LIKE 'oauth.%' AND client_id = ${crowd.client_id}`;
    const device = () =>
      send(api.url, 'POST', '/oauth2/device_authorization', { form: { client_id: crowd.client_id } });
    const uri = await pushed(crowd);
    expect((await device()).status).toBe(200);
    expect(await audited()).toEqual([]);
    const numbered = `sha256(convert_to($1 || n, 'UTF8'))`;
    await harness.rows(
      `INSERT INTO oauth_pushed_requests (uri_hash, client_id, query, expires_at)
       SELECT ${numbered}, $1, '', now() + interval '9 minutes' FROM generate_series(2, 1000) n`,
      [crowd.client_id],
    );
    await harness.rows(
      `INSERT INTO oauth_device_grants (device_code_hash, user_code, client_id, scope, audience, interval_seconds, expires_at)
       SELECT ${numbered}, $1 || n, $1, '', '', 5, now() + interval '9 minutes' FROM generate_series(2, 1000) n`,
      [crowd.client_id],
    );
    for (const full of [await push(crowd, request()), await device()]) {
      expectOAuthError(full, 429, 'temporarily_unavailable', 'open_requests_full');
      expect(full.headers.get('retry-after')).toBe('60');
    }
    // An answered or expired request frees its place; each client has its own limit.
    await pushed(app);
    const browser = browserOf(api, user);
    expect(codeIn(await browser.submit(await browser.open(pushedPath(crowd, uri)), ALLOW))).not.toBe('');
    await harness.rows`UPDATE oauth_device_grants SET expires_at = now() - make_interval(secs => 1)
      WHERE user_code = ${`${crowd.client_id}2`}`;
    // Pending requests are counted once a second.
    await eventually('room for one more', async () => (await push(crowd, request())).status === 201);
    await eventually('room for one more device', async () => (await device()).status === 200);
    const [decided] = await harness.rows`SELECT detail FROM audit_outbox
      WHERE type = 'oauth.authorized' AND client_id = ${crowd.client_id}`;
    expect(decided.detail).toMatchObject({ pushed: true, audience: API_URL });
  });

  test('one address or /64 can use only a small part of a public client’s limit; an authenticated client has all of it', async () => {
    const crowd = await newOAuthClient([api], 'none', ['authorization_code', DEVICE]);
    await harness.rows`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = ${crowd.client_id}`;
    await api.ports.access.load();
    const behind = await harness.startCopy({ hashes: false, env: { TRUSTED_PROXIES: '127.0.0.1' } });
    const from = (ip: string, path: string, client: ClientCredentials) =>
      patiently(() =>
        send(behind.url, 'POST', path, {
          headers: { 'x-forwarded-for': ip },
          ...(client.client_secret === '' ? {} : { basic: client }),
          form: { ...(path === '/oauth2/par' ? request() : {}), client_id: client.client_id },
        }),
      );
    for (const [path, status] of [
      ['/oauth2/par', 201],
      ['/oauth2/device_authorization', 200],
    ] as const) {
      // An attacker with one address of a /64 has all of them.
      const first = await Promise.all(range(50).map((n) => from(`2001:db8:0:7::${n + 1}`, path, crowd)));
      expect(first.map((answer) => answer.status)).toEqual(Array(50).fill(status));
      const next = await from('2001:db8:0:7:ffff::1', path, crowd);
      expectOAuthError(next, 429, 'temporarily_unavailable', 'open_requests_full');
      expect((await from('2001:db8:0:8::1', path, crowd)).status).toBe(status);
      expect((await from('203.0.113.7', path, crowd)).status).toBe(status);
    }
    expect((await from('2001:db8:0:7::1', '/oauth2/par', app)).status).toBe(201);
    await Promise.all(range(50).map(() => from('2001:db8:0:7::1', '/oauth2/par', site)));
    expect((await from('2001:db8:0:7::1', '/oauth2/par', site)).status).toBe(201);
    const shares =
      await harness.rows`SELECT DISTINCT share FROM oauth_pushed_requests WHERE client_id = ${crowd.client_id}
        UNION SELECT share FROM oauth_device_grants WHERE client_id = ${crowd.client_id}`;
    expect(shares.map(({ share }) => share)).toEqual(Array(3).fill(expect.stringMatching(/^\d+\.[\w-]{22}$/)));
  });

  test('a proof sent with it binds the code to its key (RFC 9449 §10.1), once', async () => {
    const maker = newProofMaker();
    const proof = maker.proof('POST', `${API_URL}/oauth2/par`);
    const answer = await push(site, request(), proof);
    expect(answer.status, answer.text).toBe(201);
    expectOAuthError(await push(site, request(), proof), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
    const mismatched = request({ dpop_jkt: 'j'.repeat(43) });
    const fresh = maker.proof('POST', `${API_URL}/oauth2/par`);
    expectOAuthError(await push(site, mismatched, fresh), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
    const browser = browserOf(api, await newSignedIn(api));
    const consent = await browser.open(pushedPath(site, answer.body.request_uri));
    const code = codeIn(await browser.submit(consent, ALLOW));
    expect((await askToken(api, site, codeForm(code, verifier))).body.error).toBe('invalid_grant');
    const own = { dpop: maker.proof('POST', `${API_URL}/oauth2/token`) };
    expect((await askToken(api, site, codeForm(code, verifier), own)).body.token_type).toBe('DPoP');
  });
});
