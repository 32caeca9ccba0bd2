import { request as httpRequest } from 'node:http';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  claimsIn,
  clientToken,
  issueFor,
  newClient,
  refresh,
  revoke,
  signUp,
  type TestUser,
  tampered,
  untilVerdict,
  verdictOn,
} from '../platform/testing/flows.ts';
import {
  basicHeader,
  expectErrorForm,
  type Json,
  type Received,
  type Sent,
  send,
} from '../platform/testing/http-client.ts';
import { createAnswerCheck } from '../platform/testing/openapi-check.ts';
import {
  type ClientCredentials,
  eventually,
  type Product,
  queryRows,
  startProduct,
} from '../platform/testing/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../platform/testing/stores.ts';

let database: TestDatabase;
let product: Product;
let check: ReturnType<typeof createAnswerCheck>;
let user: TestUser;
let other: ClientCredentials;
let open: ClientCredentials;

beforeAll(async () => {
  database = await createTestDatabase();
  product = await startProduct({ stores: { databaseUrl: database.url, redisUrl: testRedisUrl() } });
  check = createAnswerCheck((await send(product.api, 'GET', '/openapi.json')).body);
  user = await signUp(product);
  [other, open] = await Promise.all([
    newClient(product, { credentialScopes: ['tokens:introspect', 'tokens:issue'] }),
    newClient(product, { isPublic: true, grantTypes: ['refresh_token'] }),
  ]);
});
afterAll(async () => {
  await product?.dispose();
  await database?.drop();
});

async function post(path: string, sent: Sent): Promise<Received> {
  const answer = await send(product.api, 'POST', path, sent);
  check('POST', path, answer);
  return answer;
}
const token = (form: Sent['form'], sent: Sent = {}): Promise<Received> => post('/oauth2/token', { form, ...sent });
const introspect = (presented: string, sent: Sent = { basic: product.credentials.client }): Promise<Received> =>
  post('/oauth2/introspect', { form: { token: presented }, ...sent });

/** RFC 6749 §5.2 with our extras. */
function expectOAuthError(answer: Received, status: number, error: string, code: string): void {
  expect([answer.status, answer.body?.error, answer.body?.code]).toEqual([status, error, code]);
  expectErrorForm(answer);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
}

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

  test('the client may prove itself by Basic (form-encoded, RFC 6749 §2.3.1) or in the form', async () => {
    const client = product.credentials.client;
    expect((await token({ ...credentials, ...client })).status).toBe(200);
    const escaped = { authorization: basicHeader(client).replace('Basic', 'basic') };
    expect((await token(credentials, { headers: escaped })).status).toBe(200);
    expect((await token({ ...credentials, client_id: client.client_id }, { basic: client })).status).toBe(200);
    const both = await token({ ...credentials, client_id: other.client_id }, { basic: client });
    expectOAuthError(both, 400, 'invalid_request', 'request_invalid');
  });

  test('T13: no client, a wrong secret, an unknown or public client: 401 invalid_client, alike, with a Basic challenge', async () => {
    const client = product.credentials.client;
    for (const sent of [
      {},
      { basic: { ...client, client_secret: 'wrong' } },
      { basic: { ...client, client_secret: '' } },
      { basic: { client_id: 'nobody', client_secret: 'x' } },
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

  test('a disabled client is refused, and its tokens are dead', async () => {
    const client = await newClient(product);
    const { access_token } = (await token(credentials, { basic: client })).body;
    await queryRows(database.url, 'UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1', [client.client_id]);
    await untilVerdict(product, access_token, 'revoked');
    await eventually(
      'the client to be refused',
      async () => (await token(credentials, { basic: client })).status === 401,
    );
  });

  test('T6: no password or implicit grant; an unknown one is unsupported_grant_type, a missing one invalid_request', async () => {
    const basic = product.credentials.client;
    for (const grant_type of [
      'password',
      'implicit',
      'authorization_code',
      'urn:ietf:params:oauth:grant-type:device_code',
      'x',
    ])
      expectOAuthError(
        await token({ grant_type, username: user.email, password: user.password }, { basic }),
        400,
        'unsupported_grant_type',
        'grant_type_unsupported',
      );
    expectOAuthError(await token({}, { basic }), 400, 'invalid_request', 'request_invalid');
  });

  test('scope and resource: no more than registered, an absolute URI without a fragment (RFC 8707 §2)', async () => {
    const basic = product.credentials.client;
    const narrow = await token({ ...credentials, scope: 'tokens:read' }, { basic });
    expect([narrow.status, narrow.body.scope]).toEqual([200, 'tokens:read']);
    expect(claimsIn(narrow.body.access_token).permissions).toEqual(['tokens:read']);
    const bad = await token({ ...credentials, scope: 'tokens:read admin' }, { basic });
    expectOAuthError(bad, 400, 'invalid_scope', 'scope_invalid');
    const resource = 'https://api.example.test/v1';
    expect(claimsIn((await token({ ...credentials, resource }, { basic })).body.access_token).aud).toBe(resource);
    for (const wrong of ['not a uri', '/relative', 'https://api.example.test/#x'])
      expectOAuthError(
        await token({ ...credentials, resource: wrong }, { basic }),
        400,
        'invalid_target',
        'target_invalid',
      );
    expectOAuthError(
      await token({ ...credentials }, { basic: await newClient(product, { grantTypes: ['refresh_token'] }) }),
      400,
      'unauthorized_client',
      'grant_not_allowed',
    );
  });

  test('RFC 6749 §3.2: a repeated parameter is refused, an unknown one ignored, an empty one counts as left out', async () => {
    const basic = product.credentials.client;
    for (const name of ['grant_type', 'scope', 'resource', 'client_id', 'refresh_token', 'client_secret']) {
      const form = new URLSearchParams({ ...credentials });
      if (name !== 'grant_type') form.append(name, 'x');
      form.append(name, 'x');
      const answer = await token(form.toString(), { basic });
      expect([name, answer.status, answer.body.error]).toEqual([name, 400, 'invalid_request']);
    }
    expect((await token({ ...credentials, hello: 'world', scope: '', resource: '' }, { basic })).status).toBe(200);
  });

  test('form-encoded alone: JSON and others are 415', async () => {
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

  test('refresh: a whole new pair for the client the login is of', async () => {
    const pair = await issueFor(product, user.id);
    const form = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    const answer = await token(form, { basic: product.credentials.client });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ token_type: 'Bearer', refresh_token: expect.stringMatching(/^sp_rt_/) });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await verdictOn(product, answer.body.access_token)).toBe('active');
  });

  test('T13, ASVS 10.4.10: a confidential client must show its secret, and another client’s login is not refreshed', async () => {
    const pair = await issueFor(product, user.id);
    const form = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    expectOAuthError(await token(form), 401, 'invalid_client', 'client_unauthenticated');
    const named = { ...form, client_id: product.credentials.client.client_id };
    expectOAuthError(await token(named), 401, 'invalid_client', 'client_unauthenticated');
    expectOAuthError(await token(form, { basic: other }), 400, 'invalid_grant', 'refresh_token_invalid');
    expectOAuthError(
      await token({ ...form, client_id: open.client_id }),
      400,
      'invalid_grant',
      'refresh_token_invalid',
    );
    expect((await token(form, { basic: product.credentials.client })).status).toBe(200);
  });

  test('a login of the first party is refreshed by its public name', async () => {
    const own = await signUp(product);
    const form = { grant_type: 'refresh_token', refresh_token: own.tokens.refresh_token };
    expect((await token({ ...form, client_id: 'sallyport' })).status).toBe(200);
  });

  test('T1: a reused refresh token is 400 invalid_grant with its own code, and the login is dead', async () => {
    const pair = await issueFor(product, user.id);
    const form = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token });
    const basic = product.credentials.client;
    const second = (await token(form(pair.refresh_token), { basic })).body;
    await token(form(second.refresh_token), { basic });
    expectOAuthError(await token(form(pair.refresh_token), { basic }), 400, 'invalid_grant', 'refresh_token_reused');
    await untilVerdict(product, second.access_token, 'family_reused');
  });

  test('each way a login can be over is 400 invalid_grant, told apart by code', async () => {
    const basic = product.credentials.client;
    const form = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token });
    const ended = await issueFor(product, user.id);
    await revoke(product, { family_id: claimsIn(ended.access_token).fid });
    expectOAuthError(await token(form(ended.refresh_token), { basic }), 400, 'invalid_grant', 'session_ended');
    const late = await issueFor(product, user.id);
    const { fid } = claimsIn(late.access_token);
    // T16: the absolute end holds, however young the last use.
    await queryRows(
      database.url,
      `UPDATE refresh_families SET expires_at = now() - interval '1 second' WHERE id = $1`,
      [fid],
    );
    expectOAuthError(await token(form(late.refresh_token), { basic }), 400, 'invalid_grant', 'refresh_token_expired');
    const rubbish = await token(form(tampered((await issueFor(product, user.id)).refresh_token)), { basic });
    expectOAuthError(rubbish, 400, 'invalid_grant', 'refresh_token_invalid');
    expectOAuthError(
      await token({ grant_type: 'refresh_token' }, { basic }),
      400,
      'invalid_request',
      'request_invalid',
    );
  });

  test('T14: a wider scope is invalid_scope, another resource invalid_target, and the login goes on', async () => {
    const basic = product.credentials.client;
    const pair = await issueFor(product, user.id, { scope: 'openid email' });
    const form = { grant_type: 'refresh_token', refresh_token: pair.refresh_token };
    expectOAuthError(
      await token({ ...form, scope: 'openid profile' }, { basic }),
      400,
      'invalid_scope',
      'scope_exceeded',
    );
    const foreign = await token({ ...form, resource: 'https://api.example.test' }, { basic });
    expectOAuthError(foreign, 400, 'invalid_target', 'resource_foreign');
    expect((await token({ ...form, resource: product.api, scope: 'openid' }, { basic })).body.scope).toBe('openid');
  });
});

describe('POST /oauth2/introspect', () => {
  test('RFC 7662: an active access token with its claims, an active refresh token without being used up', async () => {
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

  test('RFC 7662 §2.2: whatever is not active is told nothing more of', async () => {
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

  test('T12: without a client 401; without the permission 403', async () => {
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

describe('POST /oauth2/revoke', () => {
  const end = (presented: string, sent: Sent): Promise<Received> =>
    post('/oauth2/revoke', { form: { token: presented }, ...sent });

  test('RFC 7009: own access token, own refresh token with its access tokens; unknown ones are 200 too', async () => {
    const basic = product.credentials.client;
    const [one, two] = [await clientToken(product), await issueFor(product, user.id)];
    expect((await end(one, { basic })).status).toBe(200);
    expect(await verdictOn(product, one)).toBe('revoked');
    expect((await end(two.refresh_token, { basic })).status).toBe(200);
    expect(await verdictOn(product, two.access_token)).toBe('revoked');
    for (const unknown of ['x', tampered(one), two.refresh_token, one])
      expect((await end(unknown, { basic })).status).toBe(200);
  });

  test('T10: another client’s token is refused and stays active; without a client 401', async () => {
    const pair = await issueFor(product, user.id);
    const own = await clientToken(product);
    for (const presented of [pair.access_token, pair.refresh_token, own]) {
      expectOAuthError(await end(presented, { basic: other }), 400, 'invalid_grant', 'token_of_another_client');
      expectOAuthError(await end(presented, {}), 401, 'invalid_client', 'client_unauthenticated');
    }
    for (const presented of [pair.access_token, own]) expect(await verdictOn(product, presented)).toBe('active');
    expect((await refresh(product, pair.refresh_token)).status).toBe(200);
  });
});

describe('the revocation feed', () => {
  const read = async (query = ''): Promise<{ claims: Json; header: Json; answer: Received }> => {
    const answer = await send(product.api, 'GET', `/v1/revocations${query}`, { basic: product.credentials.client });
    check('GET', '/v1/revocations', answer);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/revocations+jwt']);
    return { claims: await verified(answer.text), header: decodeProtectedHeader(answer.text), answer };
  };
  const verified = async (jws: string): Promise<Json> => {
    const keySet = createLocalJWKSet((await send(product.api, 'GET', '/.well-known/jwks.json')).body);
    const { payload, protectedHeader } = await compactVerify(jws, keySet, { algorithms: ['RS256'] });
    expect(protectedHeader.typ).toBe('revocations+jwt');
    return JSON.parse(Buffer.from(payload).toString());
  };

  test('is a compact JWS that any JOSE library verifies with the published keys', async () => {
    const { claims, header } = await read();
    expect(header).toEqual({ alg: 'RS256', kid: expect.any(String), typ: 'revocations+jwt' });
    expect(claims).toMatchObject({
      iss: product.api,
      incarnation: expect.stringMatching(/^[0-9a-f-]{36}$/),
      epoch: expect.any(Number),
      since: 0,
      issued_at: expect.any(Number),
      max_staleness_s: 2,
      entries: expect.any(Array),
    });
    expect(claims.entries.map(({ epoch }: Json) => epoch)).toEqual(
      [...claims.entries.map(({ epoch }: Json) => epoch)].sort((a: number, b: number) => a - b),
    );
  });

  test('since an epoch: what came after it, each kind with its value; from another incarnation: everything', async () => {
    const before = (await read()).claims;
    const person = await signUp(product);
    const pair = await issueFor(product, user.id);
    const { jti, fid } = claimsIn(pair.access_token);
    const client = await newClient(product);
    const epochs: number[] = [];
    const selectors: Record<string, string>[] = [
      { token_id: jti },
      { family_id: fid },
      { session_id: person.sessionId },
      { user_id: person.id },
      { client_id: client.client_id },
    ];
    for (const selector of selectors) epochs.push((await revoke(product, selector)).body.epoch);
    const { claims } = await read(`?since=${before.epoch}&incarnation=${before.incarnation}`);
    expect(claims.since).toBe(before.epoch);
    const found = claims.entries.map(({ kind, value }: Json) => `${kind} ${value}`);
    for (const entry of [
      `jti ${jti}`,
      `family ${fid}`,
      `sid ${person.sessionId}`,
      `user ${person.id}`,
      `client ${client.client_id}`,
    ])
      expect(found).toContain(entry);
    for (const entry of claims.entries) {
      expect(entry.epoch).toBeGreaterThan(before.epoch);
      expect(entry.expires_at).toBeGreaterThan(Date.now() / 1_000);
      expect(Number.isInteger(entry.token_epoch)).toBe(entry.kind === 'user' || entry.kind === 'client');
    }
    expect(claims.epoch).toBeGreaterThanOrEqual(Math.max(...epochs));
    const numbers = claims.entries.map(({ epoch }: Json) => epoch);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => before.epoch + 1 + index));
    expect((await read(`?since=${claims.epoch}`)).claims.entries).toEqual([]);
    expect((await read(`?since=${claims.epoch}&incarnation=00000000-0000-4000-8000-000000000000`)).claims.since).toBe(
      0,
    );
    expect((await read(`?since=${claims.epoch + 1_000}`)).claims.since).toBe(0);
  });

  test('a feed answer is no access token, and an access token no feed answer', async () => {
    const { answer } = await read();
    expect(await verdictOn(product, answer.text)).toBe('wrong_type');
    const stolen = await send(product.api, 'GET', '/v1/keys', { bearer: answer.text });
    expect(stolen.status).toBe(401);
  });

  test('the stream sends what there is, then each revocation, with ids to go on from', async () => {
    const stream = await openStream('/v1/revocations/stream', {});
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    const first = await stream.next();
    const snapshot = await verified(first.data);
    expect(first).toMatchObject({ event: 'revocations', id: `${snapshot.incarnation}.${snapshot.epoch}` });
    const { jti } = claimsIn((await issueFor(product, user.id)).access_token);
    await revoke(product, { token_id: jti });
    const later = await eventually('the revocation on the stream', async () => {
      const event = await stream.next();
      const claims = await verified(event.data);
      return claims.entries.some(({ value }: Json) => value === jti) && { event, claims };
    });
    expect(later.claims.since).toBeGreaterThanOrEqual(snapshot.epoch);
    stream.close();
    const resumed = await openStream('/v1/revocations/stream', { 'last-event-id': first.id });
    const missed = await verified((await resumed.next()).data);
    expect(missed.since).toBe(snapshot.epoch);
    expect(missed.entries.map(({ value }: Json) => value)).toContain(jti);
    resumed.close();
  });

  type Event = { id: string; event: string; data: string };
  const openStream = (path: string, headers: Record<string, string>) =>
    new Promise<{ headers: Json; next(): Promise<Event>; close(): void }>((done, fail) => {
      const asked = httpRequest(product.api + path, {
        headers: { authorization: basicHeader(product.credentials.client), ...headers },
      });
      asked.on('error', fail);
      asked.on('response', (response) => {
        let text = '';
        const events: Event[] = [];
        response.on('data', (part) => {
          text += part;
          const blocks = text.split('\n\n');
          text = blocks.pop() ?? '';
          for (const block of blocks) {
            const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)));
            if (fields.data) events.push(fields as Event);
          }
        });
        response.on('error', () => {});
        done({
          headers: response.headers,
          next: () => eventually('an event', () => events.shift()),
          close: () => asked.destroy(),
        });
      });
      asked.end();
    });
});
