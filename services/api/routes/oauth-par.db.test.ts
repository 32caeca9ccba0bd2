import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_URL, type ApiCopy } from '../../platform/testing/api-copy.ts';
import { newProofMaker } from '../../platform/testing/counterparts/dpop.ts';
import { signUp, type TestUser } from '../../platform/testing/flows/flows.ts';
import type { Shown } from '../../platform/testing/flows/oauth-browser.ts';
import { expectOAuthError, type Received, send } from '../../platform/testing/http-client.ts';
import { type ClientCredentials, eventually } from '../../platform/testing/product.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/worlds/api-world.ts';
import {
  ALLOW,
  askToken,
  browserOf,
  challengeOf,
  codeForm,
  LOOPBACK_REDIRECT,
  newOAuthClient,
  newVerifier,
} from '../../platform/testing/worlds/oauth-world.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const WEB = 'https://app.example.test/cb';

let world: ApiWorld;
let api: ApiCopy;
let other: ApiCopy;
let user: TestUser;
let site: ClientCredentials;
let rival: ClientCredentials;
let app: ClientCredentials;

beforeAll(async () => {
  world = await openApiWorld();
  api = await world.startCopy();
  other = await world.startCopy({ hashes: false });
  user = await signUp({ api: api.url });
  const grants = ['authorization_code', 'refresh_token'];
  site = await newOAuthClient([api, other], 'client_secret_basic', grants, [LOOPBACK_REDIRECT, WEB]);
  rival = await newOAuthClient([api, other], 'client_secret_basic', grants, [LOOPBACK_REDIRECT, WEB]);
  app = await newOAuthClient([api, other], 'none', grants);
});
afterAll(() => world?.close());

const range = (count: number): number[] => [...Array(count).keys()];
const verifier = newVerifier();
const request = (changes: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  redirect_uri: LOOPBACK_REDIRECT,
  response_type: 'code',
  scope: 'openid email',
  state: 's',
  code_challenge: challengeOf(verifier),
  code_challenge_method: 'S256',
  ...changes,
});

function push(client: ClientCredentials, form: Record<string, string>, dpop?: string): Promise<Received> {
  const headers: Record<string, string> = dpop === undefined ? {} : { dpop };
  return client.client_secret === ''
    ? send(api.url, 'POST', '/oauth2/par', { headers, form: { ...form, client_id: client.client_id } })
    : send(api.url, 'POST', '/oauth2/par', { headers, basic: client, form });
}

async function pushed(client: ClientCredentials, changes: Record<string, string> = {}): Promise<string> {
  const answer = await push(client, request(changes));
  expect(answer.status, answer.text).toBe(201);
  return answer.body.request_uri;
}

const pathOf = ({ client_id }: ClientCredentials, request_uri: string): string =>
  `/oauth2/authorize?${new URLSearchParams({ client_id, request_uri })}`;
const codeIn = (shown: Shown): string => shown.leftFor?.searchParams.get('code') ?? '';

describe('an outside client (oauth4webapi)', () => {
  test('metadata, pushed request, login, consent, code, tokens', async () => {
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
    const login = await browser.open(pathOf(site, request_uri));
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

describe('T9: a request_uri', () => {
  test('is good for one answer, whichever copy and however many browsers ask at once', async () => {
    const uri = await pushed(site, { prompt: 'consent' });
    const [first, second] = [browserOf(api, user), browserOf(other, user)];
    const pages = [await first.open(pathOf(site, uri)), await second.open(pathOf(site, uri))];
    expect(pages.map(({ status }) => status)).toEqual([200, 200]);
    const answers = await Promise.all([
      first.submit(pages[0] as Shown, ALLOW),
      second.submit(pages[1] as Shown, ALLOW),
    ]);
    expect(answers.filter((shown) => codeIn(shown) !== '')).toHaveLength(1);
    expect(answers.filter(({ status, leftFor }) => status === 400 && leftFor === null)).toHaveLength(1);
    expect([(await first.open(pathOf(site, uri))).status, (await second.open(pathOf(site, uri))).status]).toEqual([
      400, 400,
    ]);
  });

  test('denied twice at once is one decision, in the audit log too', async () => {
    const own = await newOAuthClient([api, other], 'none', ['authorization_code']);
    const uri = await pushed(own);
    const browsers = [browserOf(api, user), browserOf(other, user)] as const;
    const [first, second] = [await browsers[0].open(pathOf(own, uri)), await browsers[1].open(pathOf(own, uri))];
    const no = { decision: 'deny' };
    const answers = await Promise.all([browsers[0].submit(first, no), browsers[1].submit(second, no)]);
    expect(answers.filter(({ leftFor }) => leftFor?.searchParams.get('error') === 'access_denied')).toHaveLength(1);
    const decided = `SELECT outcome FROM audit_outbox WHERE type = 'oauth.authorized' AND client_id = $1`;
    expect(await world.rows(decided, [own.client_id])).toEqual([{ outcome: 'denied' }]);
  });

  test('is used up by a refusal and by a code that needs no page', async () => {
    const browser = browserOf(api, user);
    const denied = await pushed(site, { prompt: 'consent' });
    const no = await browser.submit(await browser.open(pathOf(site, denied)), { decision: 'deny' });
    expect(no.leftFor?.searchParams.get('error')).toBe('access_denied');
    const silent = await pushed(site, { prompt: 'none' });
    expect((await browserOf(api).open(pathOf(site, silent))).leftFor?.searchParams.get('error')).toBe('login_required');
    const granted = await pushed(site);
    const answers = await Promise.all(
      [api, other, api].map((copy) => browserOf(copy, user).open(pathOf(site, granted))),
    );
    expect(answers.filter((shown) => codeIn(shown) !== '')).toHaveLength(1);
    for (const uri of [denied, silent, granted]) {
      const again = await browser.open(pathOf(site, uri));
      expect([again.status, again.leftFor]).toEqual([400, null]);
    }
  });

  test('is of its client alone, of its time, and what stands beside it counts for nothing', async () => {
    const browser = browserOf(api, user);
    const uri = await pushed(site, { prompt: 'consent', scope: 'openid' });
    for (const path of [
      pathOf(rival, uri),
      pathOf(app, uri),
      `/oauth2/authorize?${new URLSearchParams({ request_uri: uri })}`,
      pathOf(site, `${uri.slice(0, -1)}${uri.endsWith('A') ? 'B' : 'A'}`),
    ]) {
      const shown = await browser.open(path);
      expect([shown.status, shown.leftFor], path).toEqual([400, null]);
    }
    const beside = new URLSearchParams({ ...request({ scope: 'openid email', redirect_uri: WEB, state: 'x' }) });
    const consent = await browser.open(`${pathOf(site, uri)}&${beside}`);
    const { leftFor } = await browser.submit(consent, ALLOW);
    expect(leftFor?.href).toMatch(/^http:\/\/127\.0\.0\.1\/callback\?/);
    expect(leftFor?.searchParams.get('state')).toBe('s');
    const token = await askToken(api, site, codeForm(leftFor?.searchParams.get('code') as string, verifier));
    expect(token.body.scope).toBe('openid');
    const late = await pushed(site);
    await world.rows('UPDATE oauth_pushed_requests SET expires_at = clock_timestamp()');
    expect((await browser.open(pathOf(site, late))).status).toBe(400);
  });

  test('prompt=login of a pushed request is satisfied by the login it asks for', async () => {
    // Signing in again ends the session before.
    const own = await signUp({ api: api.url });
    const browser = browserOf(api, own);
    const login = await browser.open(pathOf(site, await pushed(site, { prompt: 'login' })));
    expect(login.text).toContain('type="password"');
    const consent = await browser.submit(login, { email: own.email, password: own.password });
    expect(codeIn(await browser.submit(consent, ALLOW))).not.toBe('');
  });

  test('T9: a client that has to push is refused in an address', async () => {
    const strict = await newOAuthClient([api], 'client_secret_basic', ['authorization_code']);
    await world.rows('UPDATE oauth_clients SET "requirePushedRequests" = true WHERE "clientId" = $1', [
      strict.client_id,
    ]);
    await api.ports.access.load();
    const browser = browserOf(api, user);
    const query = new URLSearchParams({ ...request(), client_id: strict.client_id });
    const plain = await browser.open(`/oauth2/authorize?${query}`);
    expect(plain.leftFor?.searchParams.get('error')).toBe('invalid_request');
    const consent = await browser.open(pathOf(strict, await pushed(strict)));
    const shown = await browser.submit(consent, ALLOW);
    expect(codeIn(shown), shown.text + shown.leftFor?.href).not.toBe('');
  });
});

describe('pushing', () => {
  test('T9: a request_uri inside is 400, and so is whatever the authorization endpoint would refuse', async () => {
    for (const [changes, error, code] of [
      [{ request_uri: await pushed(site) }, 'invalid_request', 'request_invalid'],
      [{ request_uri: '' }, 'invalid_request', 'request_invalid'],
      [{ redirect_uri: 'https://evil.test' }, 'invalid_request', 'request_invalid'],
      [{ code_challenge_method: 'plain' }, 'invalid_request', 'request_invalid'],
      [{ response_type: 'token' }, 'unsupported_response_type', 'response_type_unsupported'],
      [{ request: 'a.b.c' }, 'request_not_supported', 'request_object_unsupported'],
      [{ scope: 'openid admin' }, 'invalid_scope', 'scope_invalid'],
      [{ resource: 'nowhere' }, 'invalid_target', 'target_invalid'],
      [{ client_id: rival.client_id }, 'invalid_request', 'request_invalid'],
    ] as const)
      expectOAuthError(await push(site, request(changes)), 400, error, code);
    const service = await newOAuthClient([api], 'client_secret_basic', ['client_credentials']);
    expectOAuthError(await push(service, request()), 400, 'unauthorized_client', 'grant_not_allowed');
    const [{ count }] = await world.rows('SELECT count(*)::int FROM oauth_pushed_requests WHERE client_id = $1', [
      service.client_id,
    ]);
    expect(count).toBe(0);
  });

  test('a client with a secret shows it, one without names itself; the secret is in no row', async () => {
    const nameless = { form: request() };
    expectOAuthError(
      await send(api.url, 'POST', '/oauth2/par', nameless),
      401,
      'invalid_client',
      'client_unauthenticated',
    );
    const named = { form: { ...request(), client_id: site.client_id } };
    expectOAuthError(
      await send(api.url, 'POST', '/oauth2/par', named),
      401,
      'invalid_client',
      'client_unauthenticated',
    );
    expect((await push({ ...site, client_secret: 'x' }, request())).status).toBe(401);
    await pushed(app);
    const byForm = { form: { ...request(), ...site } };
    expect((await send(api.url, 'POST', '/oauth2/par', byForm)).status).toBe(201);
    const rows = await world.rows('SELECT query FROM oauth_pushed_requests');
    expect(rows.length).toBeGreaterThan(1);
    expect(JSON.stringify(rows)).not.toContain(site.client_secret);
  });

  test('strangers fill no store: a client has room for so many that wait, and nobody can write audit rows by pushing', async () => {
    const crowd = await newOAuthClient([api], 'none', ['authorization_code', DEVICE]);
    await world.rows(`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`, [crowd.client_id]);
    await api.ports.access.load();
    const audited = () =>
      world.rows(`SELECT 1 FROM audit_outbox WHERE type LIKE 'oauth.%' AND client_id = $1`, [crowd.client_id]);
    const device = () =>
      send(api.url, 'POST', '/oauth2/device_authorization', { form: { client_id: crowd.client_id } });
    const uri = await pushed(crowd);
    expect((await device()).status).toBe(200);
    expect(await audited()).toEqual([]);
    const numbered = `sha256(convert_to($1 || n, 'UTF8'))`;
    await world.rows(
      `INSERT INTO oauth_pushed_requests (uri_hash, client_id, query, expires_at)
       SELECT ${numbered}, $1, '', now() + interval '9 minutes' FROM generate_series(2, 1000) n`,
      [crowd.client_id],
    );
    await world.rows(
      `INSERT INTO oauth_device_grants (device_code_hash, user_code, client_id, scope, audience, interval_seconds, expires_at)
       SELECT ${numbered}, $1 || n, $1, '', '', 5, now() + interval '9 minutes' FROM generate_series(2, 1000) n`,
      [crowd.client_id],
    );
    for (const full of [await push(crowd, request()), await device()]) {
      expectOAuthError(full, 429, 'temporarily_unavailable', 'open_requests_full');
      expect(full.headers.get('retry-after')).toBe('60');
    }
    // One that is answered makes room, and so does one that is over; other clients have their own.
    await pushed(app);
    const browser = browserOf(api, user);
    expect(codeIn(await browser.submit(await browser.open(pathOf(crowd, uri)), ALLOW))).not.toBe('');
    await world.rows('UPDATE oauth_device_grants SET expires_at = now() WHERE user_code = $1', [`${crowd.client_id}2`]);
    // So many are counted once a second.
    await eventually('room for one more', async () => (await push(crowd, request())).status === 201);
    await eventually('room for one more device', async () => (await device()).status === 200);
    const [decided] = await world.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'oauth.authorized' AND client_id = $1`,
      [crowd.client_id],
    );
    expect(decided.detail).toMatchObject({ pushed: true, audience: API_URL });
  });

  test('A5 from one address or /64 strangers take a small part of a public client’s room; who shows a secret has all of it', async () => {
    const crowd = await newOAuthClient([api], 'none', ['authorization_code', DEVICE]);
    await world.rows(`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`, [crowd.client_id]);
    await api.ports.access.load();
    const behind = await world.startCopy({ hashes: false, env: { TRUSTED_PROXIES: '127.0.0.1' } });
    const from = (ip: string, path: string, client: ClientCredentials) =>
      send(behind.url, 'POST', path, {
        headers: { 'x-forwarded-for': ip },
        ...(client.client_secret === '' ? {} : { basic: client }),
        form: { ...(path === '/oauth2/par' ? request() : {}), client_id: client.client_id },
      });
    for (const [path, status] of [
      ['/oauth2/par', 201],
      ['/oauth2/device_authorization', 200],
    ] as const) {
      // Whoever has one address of a /64 has all of them.
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
    const shares = await world.rows(
      `SELECT DISTINCT share FROM oauth_pushed_requests WHERE client_id = $1
       UNION SELECT share FROM oauth_device_grants WHERE client_id = $1`,
      [crowd.client_id],
    );
    expect(shares.map(({ share }) => share)).toEqual(Array(3).fill(expect.stringMatching(/^\d+\.[\w-]{22}$/)));
  });

  test('D2: a proof beside it binds the code to its key (RFC 9449 §10.1), once', async () => {
    const maker = newProofMaker();
    const proof = maker.proof('POST', `${API_URL}/oauth2/par`);
    const answer = await push(site, request(), proof);
    expect(answer.status, answer.text).toBe(201);
    expectOAuthError(await push(site, request(), proof), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
    const mismatched = request({ dpop_jkt: 'j'.repeat(43) });
    const fresh = maker.proof('POST', `${API_URL}/oauth2/par`);
    expectOAuthError(await push(site, mismatched, fresh), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
    const code = codeIn(await browserOf(api, user).open(pathOf(site, answer.body.request_uri)));
    expect((await askToken(api, site, codeForm(code, verifier))).body.error).toBe('invalid_grant');
    const own = { dpop: maker.proof('POST', `${API_URL}/oauth2/token`) };
    expect((await askToken(api, site, codeForm(code, verifier), own)).body.token_type).toBe('DPoP');
  });
});

describe('both methods (OpenID Connect Core §3.1.2.1, §5.3.1)', () => {
  test('T15: POST /oauth2/authorize goes on to the GET of the same request, without what else the form had', async () => {
    const form = { ...request(), client_id: site.client_id, access_token: 'secret', id_token_hint: 'secret' };
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

  test('T15: POST /oauth2/userinfo takes the token in the header, and none in the form', async () => {
    const browser = browserOf(api, user);
    const code = codeIn(await browser.open(pathOf(site, await pushed(site))));
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
