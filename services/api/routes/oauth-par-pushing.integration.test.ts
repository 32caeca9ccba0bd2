import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#testing/eventually.ts';
import { newProofMaker } from '#testing/fakes/dpop.ts';
import { patiently, type TestUser } from '#testing/flows/flows.ts';
import { API_URL, type ApiCopy } from '#testing/harness/api.ts';
import { ALLOW, askToken, browserOf, codeForm, newOAuthClient } from '#testing/harness/oauth.ts';
import type { ClientCredentials } from '#testing/http-client.ts';
import { expectOAuthError, send } from '#testing/http-client.ts';
import { codeIn, openPushHarness, type PushHarness, pushedPath, request, verifier } from './oauth-par-harness.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

let harness: PushHarness;
let api: ApiCopy;
let user: TestUser;
let site: ClientCredentials;
let rival: ClientCredentials;
let app: ClientCredentials;

beforeAll(async () => {
  harness = await openPushHarness();
  ({ api, user, site, rival, app } = harness);
});
afterAll(() => harness?.close());

const range = (count: number): number[] => [...Array(count).keys()];

describe('pushing', () => {
  test('a request_uri inside is 400, like everything that the authorization endpoint would refuse', async () => {
    for (const [changes, error, code] of [
      [{ request_uri: await harness.pushed(site) }, 'invalid_request', 'request_invalid'],
      [{ request_uri: '' }, 'invalid_request', 'request_invalid'],
      [{ redirect_uri: 'https://evil.test' }, 'invalid_request', 'request_invalid'],
      [{ code_challenge_method: 'plain' }, 'invalid_request', 'request_invalid'],
      [{ response_type: 'token' }, 'unsupported_response_type', 'response_type_unsupported'],
      [{ request: 'a.b.c' }, 'request_not_supported', 'request_object_unsupported'],
      [{ scope: 'openid admin' }, 'invalid_scope', 'scope_invalid'],
      [{ resource: 'nowhere' }, 'invalid_target', 'target_invalid'],
      [{ client_id: rival.client_id }, 'invalid_request', 'request_invalid'],
    ] as const)
      expectOAuthError(await harness.push(site, request(changes)), 400, error, code);
    const service = await newOAuthClient([api], 'client_secret_basic', ['client_credentials']);
    expectOAuthError(await harness.push(service, request()), 400, 'unauthorized_client', 'grant_not_allowed');
    const [{ count }] = await harness.rows('SELECT count(*)::int FROM oauth_pushed_requests WHERE client_id = $1', [
      service.client_id,
    ]);
    expect(count).toBe(0);
  });

  test('a confidential client authenticates, a public one names itself; no row contains the secret', async () => {
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
    expect((await harness.push({ ...site, client_secret: 'x' }, request())).status).toBe(401);
    await harness.pushed(app);
    const byForm = { form: { ...request(), ...site } };
    expect((await send(api.url, 'POST', '/oauth2/par', byForm)).status).toBe(201);
    const rows = await harness.rows('SELECT query FROM oauth_pushed_requests');
    expect(rows.length).toBeGreaterThan(1);
    expect(JSON.stringify(rows)).not.toContain(site.client_secret);
  });

  test('anonymous clients cannot fill the store: a client has a limited number of pending requests, and pushing writes no unlimited audit rows', async () => {
    const crowd = await newOAuthClient([api], 'none', ['authorization_code', DEVICE]);
    await harness.rows(`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`, [crowd.client_id]);
    await api.ports.access.load();
    const audited = () =>
      harness.rows(`SELECT 1 FROM audit_outbox WHERE type LIKE 'oauth.%' AND client_id = $1`, [crowd.client_id]);
    const device = () =>
      send(api.url, 'POST', '/oauth2/device_authorization', { form: { client_id: crowd.client_id } });
    const uri = await harness.pushed(crowd);
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
    for (const full of [await harness.push(crowd, request()), await device()]) {
      expectOAuthError(full, 429, 'temporarily_unavailable', 'open_requests_full');
      expect(full.headers.get('retry-after')).toBe('60');
    }
    // An answered or expired request frees its place; each client has its own limit.
    await harness.pushed(app);
    const browser = browserOf(api, user);
    expect(codeIn(await browser.submit(await browser.open(pushedPath(crowd, uri)), ALLOW))).not.toBe('');
    await harness.rows(
      'UPDATE oauth_device_grants SET expires_at = now() - make_interval(secs => 1) WHERE user_code = $1',
      [`${crowd.client_id}2`],
    );
    // Pending requests are counted once a second.
    await eventually('room for one more', async () => (await harness.push(crowd, request())).status === 201);
    await eventually('room for one more device', async () => (await device()).status === 200);
    const [decided] = await harness.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'oauth.authorized' AND client_id = $1`,
      [crowd.client_id],
    );
    expect(decided.detail).toMatchObject({ pushed: true, audience: API_URL });
  });

  test('one address or /64 can use only a small part of a public client’s limit; an authenticated client has all of it', async () => {
    const crowd = await newOAuthClient([api], 'none', ['authorization_code', DEVICE]);
    await harness.rows(`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`, [crowd.client_id]);
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
    const shares = await harness.rows(
      `SELECT DISTINCT share FROM oauth_pushed_requests WHERE client_id = $1
       UNION SELECT share FROM oauth_device_grants WHERE client_id = $1`,
      [crowd.client_id],
    );
    expect(shares.map(({ share }) => share)).toEqual(Array(3).fill(expect.stringMatching(/^\d+\.[\w-]{22}$/)));
  });

  test('a proof sent with it binds the code to its key (RFC 9449 §10.1), once', async () => {
    const maker = newProofMaker();
    const proof = maker.proof('POST', `${API_URL}/oauth2/par`);
    const answer = await harness.push(site, request(), proof);
    expect(answer.status, answer.text).toBe(201);
    expectOAuthError(await harness.push(site, request(), proof), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
    const mismatched = request({ dpop_jkt: 'j'.repeat(43) });
    const fresh = maker.proof('POST', `${API_URL}/oauth2/par`);
    expectOAuthError(await harness.push(site, mismatched, fresh), 400, 'invalid_dpop_proof', 'dpop_proof_invalid');
    const browser = browserOf(api, user);
    const consent = await browser.open(pushedPath(site, answer.body.request_uri));
    const code = codeIn(await browser.submit(consent, ALLOW));
    expect((await askToken(api, site, codeForm(code, verifier))).body.error).toBe('invalid_grant');
    const own = { dpop: maker.proof('POST', `${API_URL}/oauth2/token`) };
    expect((await askToken(api, site, codeForm(code, verifier), own)).body.token_type).toBe('DPoP');
  });
});
