import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { clientToken } from '#tools/testing/flows/flows.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const other = opened(() => harness.startCopy({ hashes: false }));
const operator = opened(() => harness.newClient(['keys:read', 'keys:manage', 'demo:read']));
const reader = opened(() => harness.newClient(['keys:read']));

type Call = Sent & { readonly copy?: ApiCopy };
const get = (path: string, { copy = api, ...sent }: Call = {}): Promise<Received> => send(copy.url, 'GET', path, sent);
const post = (path: string, json: unknown, basic?: ClientCredentials): Promise<Received> =>
  send(api.url, 'POST', path, { json, ...(basic ? { basic } : {}) });

const tokenOfOperator = ({ url }: ApiCopy): Promise<string> =>
  clientToken({ api: url, credentials: { client: operator } });
const validate = (token: string, copy: ApiCopy): Promise<Received> =>
  send(copy.url, 'POST', '/v1/tokens/validate', { json: { token } });
const keySetKids = async (copy: ApiCopy): Promise<string[]> =>
  (await get('/.well-known/jwks.json', { copy })).body.keys.map((key: { kid: string }) => key.kid);
const auditTypes = (kid: string): Promise<unknown[]> =>
  harness.rows`SELECT type, actor_kind, actor_id FROM audit_outbox WHERE target_id = ${kid} ORDER BY id`;

describe('the key set', () => {
  test('is public, cacheable, tagged, and has no private or symmetric member', async () => {
    const answer = await get('/.well-known/jwks.json');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=([12]?\d?\d|300)$/);
    for (const key of answer.body.keys)
      expect(
        Object.keys(key).filter((member) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].includes(member)),
      ).toEqual([]);
    const etag = answer.headers.get('etag') ?? '';
    const again = await get('/.well-known/jwks.json', { headers: { 'if-none-match': etag } });
    expect([again.status, again.body, again.headers.get('etag')]).toEqual([304, undefined, etag]);
  });

  test('a 304 has no length or type that a cache would apply to its stored copy', async () => {
    for (const path of ['/.well-known/jwks.json', '/api/auth/jwks']) {
      const { status, headers } = await get(path, { headers: { 'if-none-match': '*' } });
      const named = ['content-length', 'content-type'].filter((name) => headers.has(name));
      expect([status, named]).toEqual([304, []]);
    }
  });

  test('verifies tokens of this API with jose alone (RS256 by default)', async () => {
    const keySet = createLocalJWKSet((await get('/.well-known/jwks.json')).body);
    const { protectedHeader } = await jwtVerify(await tokenOfOperator(api), keySet, { issuer: API_URL, typ: 'at+jwt' });
    expect(protectedHeader.alg).toBe('RS256');
  });
});

describe('operating', () => {
  test('reading needs keys:read, changing keys:manage; other callers learn nothing', async () => {
    expect((await get('/v1/keys')).status).toBe(401);
    expect((await get('/v1/keys', { basic: reader })).status).toBe(200);
    expect((await post('/v1/keys/rotate', {}, reader)).body).toMatchObject({ status: 403, code: 'permission_missing' });
    expect((await post('/v1/keys/some-key/compromise', { reason: 'x' }, reader)).status).toBe(403);
    expect((await post('/v1/keys/rotate', {})).status).toBe(401);
  });

  test('rotating answers 202 with the waiting key, in every copy’s key set; a repeat returns the same key', async () => {
    const first = await post('/v1/keys/rotate', undefined, operator);
    expect(first).toMatchObject({ status: 202, body: { state: 'pending', already_pending: false, alg: 'RS256' } });
    expect(await keySetKids(api)).toContain(first.body.kid);
    await expect.poll(() => keySetKids(other), { timeout: 30_000 }).toContain(first.body.kid);
    const again = await post('/v1/keys/rotate', {}, operator);
    expect(again).toMatchObject({ status: 202, body: { kid: first.body.kid, already_pending: true } });
    const { body } = await get('/v1/keys', { basic: reader });
    expect(body.keys.map((key: { state: string }) => key.state)).toEqual(['active', 'pending']);
    expect(body.keys[0].signs_until).toBe(body.keys[1].activates_at);
    expect(await auditTypes(first.body.kid)).toEqual([
      { type: 'key.published', actor_kind: 'client', actor_id: operator.client_id },
    ]);
  });

  test('a compromised key leaves the key set, its tokens are refused on every copy, and another key signs at once', async () => {
    const token = await tokenOfOperator(other);
    const { kid } = decodeProtectedHeader(token) as { kid: string };
    expect((await validate(token, api)).body.active).toBe(true);
    const answer = await post(`/v1/keys/${kid}/compromise`, { reason: 'found in a backup' }, operator);
    expect(answer).toMatchObject({
      status: 202,
      body: { kid, state: 'compromised', compromise_reason: 'found in a backup', signer: { state: 'active' } },
    });
    expect(answer.body.notice).toMatch(/without the hold/);
    expect(await keySetKids(api)).not.toContain(kid);
    expect((await validate(token, api)).body).toMatchObject({ active: false, reason: 'key_compromised' });
    await expect
      .poll(async () => (await validate(token, other)).body, { timeout: 30_000 })
      .toMatchObject({ active: false, reason: 'key_compromised' });
    await expect.poll(() => keySetKids(other), { timeout: 30_000 }).not.toContain(kid);
    const fresh = await tokenOfOperator(other);
    expect(decodeProtectedHeader(fresh).kid).toBe(answer.body.signer.kid);
    expect((await validate(fresh, api)).body.active).toBe(true);
    expect((await auditTypes(kid)).at(-1)).toEqual({
      type: 'key.compromised',
      actor_kind: 'client',
      actor_id: operator.client_id,
    });
  });

  test.each([
    ['an unknown kid', '/v1/keys/unknown/compromise', { reason: 'x' }, 404],
    ['a kid that is none', '/v1/keys/..%2F..%2Fdev%2Fnull/compromise', { reason: 'x' }, 400],
    ['no reason', '/v1/keys/unknown/compromise', {}, 400],
    ['an empty reason', '/v1/keys/unknown/compromise', { reason: '' }, 400],
    ['an unknown member', '/v1/keys/rotate', { now: true }, 400],
  ])('%s is answered with a code and changes nothing', async (_, path, body, status) => {
    const before = (await get('/v1/keys', { basic: reader })).body;
    const answer = await post(path, body, operator);
    expect(answer.status).toBe(status);
    expect(answer.body.code).toMatch(/^[a-z_]+$/);
    expect((await get('/v1/keys', { basic: reader })).body).toEqual(before);
  });
});

describe('discovery', () => {
  test.each(['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'])(
    '%s names its issuer byte for byte and lists only endpoints that exist',
    async (path) => {
      const { status, body, headers } = await get(path);
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=300']);
      expect(body.issuer).toBe(API_URL);
      const grants = `authorization_code client_credentials refresh_token urn:ietf:params:oauth:grant-type:device_code
        urn:ietf:params:oauth:grant-type:token-exchange urn:ietf:params:oauth:grant-type:jwt-bearer
        urn:openid:params:grant-type:ciba`.split(/\s+/);
      expect(body.grant_types_supported).toEqual(hasWings ? grants : grants.slice(0, -1));
      expect(body.introspection_endpoint_auth_methods_supported).toEqual([
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
      ]);
      expect(body.scopes_supported).toContain('keys:manage');
      expect(body.registration_endpoint).toBe(`${API_URL}/oauth2/register`);
      for (const endpoint of [body.token_endpoint, body.introspection_endpoint, body.revocation_endpoint]) {
        expect(endpoint.startsWith(`${API_URL}/`)).toBe(true);
        const probe = await get(endpoint.slice(API_URL.length));
        expect(probe.status, endpoint).toBe(405);
      }
      expect((await get(body.jwks_uri.slice(API_URL.length))).status).toBe(200);
    },
  );

  test('OpenID discovery lists the algorithms of real keys, never none', async () => {
    const { body } = await get('/.well-known/openid-configuration');
    expect(body.id_token_signing_alg_values_supported).toEqual(['RS256']);
    expect(body.subject_types_supported).toEqual(['public']);
  });

  test('a 401 points to the document whose resource equals the URL used (RFC 9728 §3.3, §5.1)', async () => {
    const { status, headers } = await get('/v1/tokens/some-id', { bearer: 'nonsense' });
    expect(status).toBe(401);
    const challenge = headers.get('www-authenticate') ?? '';
    expect(challenge).toMatch(/^Bearer realm="sallyport", error="invalid_token", resource_metadata="/);
    const location = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? '';
    expect(location).toBe(`${API_URL}/.well-known/oauth-protected-resource`);
    const { body } = await get(location.slice(API_URL.length));
    expect(body).toMatchObject({
      resource: API_URL,
      authorization_servers: [API_URL],
      bearer_methods_supported: ['header'],
    });
  });
});
