import { describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  newClient,
  refresh,
  revoke,
  signUp,
  tampered,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import {
  basicHeader,
  expectErrorForm,
  expectOAuthError,
  type Received,
  type Sent,
} from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';

const harness = opened(() => startProductHarness());
const product = partOf(() => harness.product);
const user = opened(() => signUp(product));
const other = opened(() => newClient(product, { credential_scopes: ['tokens:introspect', 'tokens:issue'] }));
const open = opened(() => newClient(product, { isPublic: true, grant_types: ['refresh_token'] }));

const post = (path: string, sent: Sent): Promise<Received> => harness.call('POST', path, sent);
const token = (form: Sent['form'], sent: Sent = {}): Promise<Received> => post('/oauth2/token', { form, ...sent });
const introspect = (presented: string, sent: Sent = { basic: product.credentials.client }): Promise<Received> =>
  post('/oauth2/introspect', { form: { token: presented }, ...sent });

describe('POST /oauth2/token', () => {
  const credentials = { grant_type: 'client_credentials' };

  test('client credentials: a token for the client itself, with its permissions and no refresh token', async () => {
    const answer = await token(credentials, { basic: product.credentials.client });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(Object.keys(answer.body).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type']);
    const claims = claimsIn(answer.body.access_token);
    const { client_id } = product.credentials.client;
    expect(claims).toMatchObject({ iss: product.api, aud: product.api, sub: client_id, client_id });
    expect(claims.permissions).toContain('tokens:issue');
    for (const name of ['sid', 'fid', 'email', 'roles', 'auth_time']) expect(claims).not.toHaveProperty(name);
    expect(await verdictOn(product, answer.body.access_token)).toBe('active');
  });

  test('the client may authenticate by Basic (form-encoded, RFC 6749 §2.3.1) or in the form, not in both', async () => {
    const client = product.credentials.client;
    expect((await token({ ...credentials, ...client })).status).toBe(200);
    const escaped = { authorization: basicHeader(client).replace('Basic', 'basic') };
    expect((await token(credentials, { headers: escaped })).status).toBe(200);
    expect((await token({ ...credentials, client_id: client.client_id }, { basic: client })).status).toBe(200);
    for (const form of [{ client_id: other.client_id }, client]) {
      const both = await token({ ...credentials, ...form }, { basic: client });
      expectOAuthError(both, 400, 'invalid_request', 'request_invalid');
    }
  });

  test('no client, a wrong secret, an unknown or public client: the same 401 invalid_client with a Basic challenge', async () => {
    const client = product.credentials.client;
    for (const sent of [
      {},
      { basic: { ...client, client_secret: 'wrong' } },
      { basic: { ...client, client_secret: '' } },
      { basic: { client_id: 'unknown', client_secret: 'x' } },
      { basic: { client_id: '', client_secret: '' } },
      { basic: { client_id: 'sallyport', client_secret: 'x' } },
      { headers: { authorization: 'Basic !!!' } },
      { headers: { authorization: `Basic ${Buffer.from('no colon').toString('base64')}` } },
      { headers: { authorization: `Basic ${Buffer.from('%zz:%zz').toString('base64')}` } },
      { bearer: await clientToken(product) },
    ] satisfies Sent[]) {
      const answer = await token(credentials, sent);
      expectOAuthError(answer, 401, 'invalid_client', 'client_unauthenticated');
      expect(answer.headers.get('www-authenticate')).toBe('Basic realm="sallyport"');
    }
    for (const form of [
      { ...credentials, client_id: client.client_id },
      { ...credentials, client_id: client.client_id, client_secret: 'wrong' },
      { ...credentials, client_id: open.client_id },
    ])
      expectOAuthError(await token(form), 401, 'invalid_client', 'client_unauthenticated');
  });

  test('a disabled client is refused, and its tokens are revoked', async () => {
    const client = await newClient(product);
    const { access_token } = (await token(credentials, { basic: client })).body;
    await queryRows(harness.databaseUrl)`UPDATE oauth_clients SET disabled = true
      WHERE "clientId" = ${client.client_id}`;
    await untilVerdict(product, access_token, 'revoked');
    await eventually(
      'the client to be refused',
      async () => (await token(credentials, { basic: client })).status === 401,
    );
  });

  test('no password or implicit grant; an unknown grant is unsupported_grant_type, a missing one invalid_request', async () => {
    const basic = product.credentials.client;
    for (const grant_type of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:saml2-bearer', 'x']) {
      const byPassword = await token({ grant_type, username: user.email, password: user.password }, { basic });
      expectOAuthError(byPassword, 400, 'unsupported_grant_type', 'grant_type_unsupported');
    }
    expectOAuthError(await token({}, { basic }), 400, 'invalid_request', 'request_invalid');
  });

  test('scope and resource: no more than registered, an absolute URI without a fragment (RFC 8707 §2)', async () => {
    const basic = product.credentials.client;
    const narrow = await token({ ...credentials, scope: 'tokens:read' }, { basic });
    expect([narrow.status, narrow.body.scope]).toEqual([200, 'tokens:read']);
    expect(claimsIn(narrow.body.access_token).permissions).toEqual(['tokens:read']);
    const bad = await token({ ...credentials, scope: 'tokens:read own.events' }, { basic });
    expectOAuthError(bad, 400, 'invalid_scope', 'scope_invalid');
    expect(bad.body.error_description).toContain('own.events');
    const misspelt = await token({ ...credentials, scope: 'token:read' }, { basic });
    expectOAuthError(misspelt, 400, 'invalid_scope', 'scope_invalid');
    expect(misspelt.body.error_description).toContain('Did you mean tokens:read?');
    const lenient = await token({ ...credentials, scope: 'groups tokens:read' }, { basic });
    expect([lenient.status, lenient.body.scope]).toEqual([200, 'tokens:read']);
    const resource = 'https://api.example.test/v1';
    expect(claimsIn((await token({ ...credentials, resource }, { basic })).body.access_token).aud).toBe(resource);
    for (const wrong of ['not a uri', '/relative', 'https://api.example.test/#x']) {
      const elsewhere = await token({ ...credentials, resource: wrong }, { basic });
      expectOAuthError(elsewhere, 400, 'invalid_target', 'target_invalid');
    }
    const withoutGrant = await token(
      { ...credentials },
      { basic: await newClient(product, { grant_types: ['refresh_token'] }) },
    );
    expectOAuthError(withoutGrant, 400, 'unauthorized_client', 'grant_not_allowed');
  });

  test('RFC 6749 §3.2: a repeated parameter is refused, an unknown one ignored, an empty one treated as absent', async () => {
    const basic = product.credentials.client;
    for (const name of ['grant_type', 'scope', 'resource', 'client_id', 'refresh_token', 'client_secret']) {
      const form = new URLSearchParams({ ...credentials });
      if (name !== 'grant_type') form.append(name, 'x');
      form.append(name, 'x');
      const answer = await token(form.toString(), { basic });
      expect([name, answer.status, answer.body.error]).toEqual([name, 400, 'invalid_request']);
    }
    expect((await token({ ...credentials, hello: 'harness', scope: '', resource: '' }, { basic })).status).toBe(200);
  });

  test('only form-encoded bodies are read: JSON and others are 415', async () => {
    const basic = product.credentials.client;
    for (const path of ['/oauth2/token', '/oauth2/introspect', '/oauth2/revoke']) {
      const json = await post(path, { basic, json: { grant_type: 'client_credentials', token: 'x' } });
      expect([json.status, json.body.code]).toEqual([415, 'content_type_unsupported']);
      for (const contentType of [
        'text/plain',
        'multipart/form-data; boundary=x',
        'application/x-www-form-urlencodedd',
        'application/x-www-form-urlencoded x',
        '',
      ]) {
        const answer = await post(path, {
          basic,
          body: 'grant_type=client_credentials',
          headers: { 'content-type': contentType },
        });
        expect([contentType, answer.status]).toEqual([contentType, 415]);
        expectErrorForm(answer);
      }
    }
  });

  test('refresh: a new token pair for the client of the token family', async () => {
    const pair = await issueFor(product, user.id);
    const form = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    const answer = await token(form, { basic: product.credentials.client });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ token_type: 'Bearer', refresh_token: expect.stringMatching(/^sp_rt_/) });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await verdictOn(product, answer.body.access_token)).toBe('active');
  });

  test('ASVS 10.4.10: a confidential client must authenticate, and cannot refresh another client’s token family', async () => {
    const pair = await issueFor(product, user.id);
    const form = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    expectOAuthError(await token(form), 401, 'invalid_client', 'client_unauthenticated');
    const named = { ...form, client_id: product.credentials.client.client_id };
    expectOAuthError(await token(named), 401, 'invalid_client', 'client_unauthenticated');
    expectOAuthError(await token(form, { basic: other }), 400, 'invalid_grant', 'refresh_token_invalid');
    const atOther = await token({ ...form, client_id: open.client_id });
    expectOAuthError(atOther, 400, 'invalid_grant', 'refresh_token_invalid');
    expect((await token(form, { basic: product.credentials.client })).status).toBe(200);
  });

  test('a first-party token family is refreshed by its public client name', async () => {
    const own = await signUp(product);
    const form = { grant_type: 'refresh_token', refresh_token: own.tokens.refresh_token };
    expect((await token({ ...form, client_id: 'sallyport' })).status).toBe(200);
  });

  test('a reused refresh token is 400 invalid_grant with its own code, and the token family is revoked', async () => {
    const pair = await issueFor(product, user.id);
    const form = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token });
    const basic = product.credentials.client;
    const second = (await token(form(pair.refresh_token), { basic })).body;
    await token(form(second.refresh_token), { basic });
    expectOAuthError(await token(form(pair.refresh_token), { basic }), 400, 'invalid_grant', 'refresh_token_reused');
    await untilVerdict(product, second.access_token, 'family_reused');
  });

  test('each way a token family can end is 400 invalid_grant, distinguished by code', async () => {
    const basic = product.credentials.client;
    const form = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token });
    const ended = await issueFor(product, user.id);
    await revoke(product, { family_id: claimsIn(ended.access_token).fid });
    expectOAuthError(await token(form(ended.refresh_token), { basic }), 400, 'invalid_grant', 'session_ended');
    const late = await issueFor(product, user.id);
    const { fid } = claimsIn(late.access_token);
    // The absolute expiry applies, however recent the last use.
    await queryRows(harness.databaseUrl)`UPDATE refresh_families SET expires_at = now() - interval '1 second'
      WHERE id = ${fid}`;
    expectOAuthError(await token(form(late.refresh_token), { basic }), 400, 'invalid_grant', 'refresh_token_expired');
    const rubbish = await token(form(tampered((await issueFor(product, user.id)).refresh_token)), { basic });
    expectOAuthError(rubbish, 400, 'invalid_grant', 'refresh_token_invalid');
    const withoutToken = await token({ grant_type: 'refresh_token' }, { basic });
    expectOAuthError(withoutToken, 400, 'invalid_request', 'request_invalid');
  });

  test('a wider scope is invalid_scope, another resource invalid_target, and the token family stays valid', async () => {
    const basic = product.credentials.client;
    const pair = await issueFor(product, user.id, { scope: 'openid email' });
    const form = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    const wider = await token({ ...form, scope: 'openid profile' }, { basic });
    expectOAuthError(wider, 400, 'invalid_scope', 'scope_exceeded');
    const foreign = await token({ ...form, resource: 'https://api.example.test' }, { basic });
    expectOAuthError(foreign, 400, 'invalid_target', 'resource_foreign');
    expect((await token({ ...form, resource: product.api, scope: 'openid' }, { basic })).body.scope).toBe('openid');
  });
});

describe('POST /oauth2/introspect', () => {
  test('RFC 7662: an active access token with its claims; an active refresh token, which stays unused', async () => {
    const pair = await issueFor(product, user.id);
    const access = await introspect(pair.access_token);
    expect([access.status, access.body]).toEqual([
      200,
      { active: true, token_type: 'Bearer', ...claimsIn(pair.access_token) },
    ]);
    const rotating = await introspect(pair.refresh_token);
    expect(rotating.body).toMatchObject({ active: true, sub: user.id, iss: product.api });
    expect((await refresh(product, pair.refresh_token)).status).toBe(200);
    expect((await introspect(pair.refresh_token)).body).toEqual({ active: false });
  });

  test('RFC 7662 §2.2: the answer for an inactive token says only that it is inactive', async () => {
    const revoked = await issueFor(product, user.id);
    await revoke(product, { token: revoked.access_token });
    const ended = await issueFor(product, user.id);
    await revoke(product, { family_id: claimsIn(ended.access_token).fid });
    const foreign = await clientToken(product, { resource: 'https://api.example.test' });
    for (const presented of [
      'x',
      'a.b.c',
      revoked.access_token,
      ended.refresh_token,
      tampered(ended.access_token),
      foreign,
    ]) {
      const answer = await introspect(presented);
      expect([answer.status, answer.text]).toEqual([200, '{"active":false}']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  test('401 without a client, 403 without the permission', async () => {
    const pair = await issueFor(product, user.id);
    expectOAuthError(await introspect(pair.access_token, {}), 401, 'invalid_client', 'client_unauthenticated');
    const bearer = { bearer: pair.access_token };
    expectOAuthError(await introspect(pair.access_token, bearer), 401, 'invalid_client', 'client_unauthenticated');
    const weak = await newClient(product);
    const answer = await introspect(pair.access_token, { basic: weak });
    expect([answer.status, answer.body.code]).toEqual([403, 'permission_missing']);
    expect((await introspect(pair.access_token, { basic: other })).body.active).toBe(true);
  });
});
