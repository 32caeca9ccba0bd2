import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { ClientCredentials } from '#tools/testing/http-client.ts';
import { send } from '#tools/testing/http-client.ts';
import { openServiceHarness, type ServiceHarness } from './oauth-service-harness.ts';

let harness: ServiceHarness;
let api: ApiCopy;
let service: ClientCredentials;
let bystander: ClientCredentials;
beforeAll(async () => {
  harness = await openServiceHarness();
  ({ api, service, bystander } = harness);
});
afterAll(() => harness?.close());

describe('client credentials', () => {
  test('a client gets a token for itself: sub is its id, and no claim names a user (RFC 9068 §2.2)', async () => {
    const { status, headers, body } = await harness.credentials();
    expect(status).toBe(200);
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    expect(body).not.toHaveProperty('refresh_token');
    const claims = decodeJwt(body.access_token);
    expect(claims).toMatchObject({ sub: service.client_id, client_id: service.client_id, aud: API_URL, ce: 0 });
    expect(claims.permissions).toEqual(['tokens:introspect', 'tokens:issue']);
    expect(claims.scope).toBe('tokens:introspect tokens:issue demo:read demo:write');
    for (const name of ['sid', 'fid', 'email', 'roles', 'ue', 'auth_time']) expect(claims).not.toHaveProperty(name);
  });

  test('a client id and a user id cannot be the same, whichever exists first', async () => {
    const user = await harness.newUser();
    const taking = createClient(api.ports, { name: 'x', client_id: user.id, grant_types: [] }, testCaller);
    await expect(taking).rejects.toMatchObject({ code: 'client_exists' });
  });

  test('a client token with narrowed scope may do only what the scope names', async () => {
    const reader = await harness.newClient(['keys:read', 'demo:read']);
    const wide = (await harness.credentials({}, reader)).body.access_token;
    const narrow = (await harness.credentials({ scope: 'demo:read' }, reader)).body.access_token;
    const readKeysAs = (bearer: string) => send(api.url, 'GET', '/v1/keys', { bearer });
    expect((await readKeysAs(wide)).status).toBe(200);
    expect((await readKeysAs(narrow)).status).toBe(403);
  });

  test('the audit row of each token, issued or refused, is committed before the answer', async () => {
    const { body } = await harness.credentials();
    const { jti } = decodeJwt(body.access_token);
    const rows = await harness.rows('SELECT * FROM audit_outbox WHERE event_id = $1', [jti]);
    expect(rows).toMatchObject([
      { type: 'token.issued', outcome: 'ok', actor_kind: 'client', actor_id: service.client_id, target_id: jti },
    ]);
    expect(rows[0].traceparent).toMatch(/^00-[0-9a-f]{32}-/);
    const refused = await harness.credentials({ scope: 'nope' }, bystander);
    const trace = refused.body.trace_id as string;
    const found = await harness.rows('SELECT * FROM audit_outbox WHERE traceparent LIKE $1', [`00-${trace}-%`]);
    expect(found).toMatchObject([
      { outcome: 'refused', actor_id: bystander.client_id, detail: { reason: 'scope_invalid' } },
    ]);
  });

  test('a hundred at once write a hundred rows, one each', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => harness.credentials({ scope: 'demo:read' }, bystander)),
    );
    const ids = answers.map(({ body }) => decodeJwt(body.access_token).jti);
    expect(new Set(ids).size).toBe(100);
    const rows = await harness.rows('SELECT 1 FROM audit_outbox WHERE event_id = ANY ($1)', [ids]);
    expect(rows).toHaveLength(100);
  });

  test('wrong secret, no secret and unknown client get the same 401 invalid_client', async () => {
    const wrong = { ...service, client_secret: 'wrong' };
    const unknown = { client_id: 'unknown', client_secret: 'wrong' };
    const answers = [
      await harness.credentials({}, wrong),
      await harness.credentials({}, unknown),
      await harness.token({ grant_type: 'client_credentials' }),
      await harness.token({ grant_type: 'client_credentials', client_id: service.client_id }),
      await harness.token({ grant_type: 'client_credentials', client_id: service.client_id, client_secret: 'wrong' }),
      await harness.token({ grant_type: 'client_credentials', client_id: 'sallyport' }),
    ];
    for (const { status, headers, body } of answers) {
      expect([status, body.error]).toEqual([401, 'invalid_client']);
      expect(headers.get('www-authenticate')).toMatch(/^Basic /);
      expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    }
    const { trace_id: _, ...first } = answers[0]!.body;
    const { trace_id: __, ...second } = answers[1]!.body;
    expect(first).toEqual(second);
  });

  test('the secret may come in the form; two different clients in one request are refused', async () => {
    expect((await harness.token({ grant_type: 'client_credentials', ...service })).status).toBe(200);
    const mixed = await harness.credentials({
      client_id: bystander.client_id,
      refresh_token: 'x',
      grant_type: 'refresh_token',
    });
    expect(mixed.body).toMatchObject({ error: 'invalid_request' });
  });
});

describe('token endpoint', () => {
  test('password, implicit and unknown grants are unsupported', async () => {
    for (const grant_type of ['password', 'implicit', 'token', 'nonsense']) {
      const { status, body } = await harness.token({ grant_type, username: 'a', password: 'b' }, service);
      expect([status, body.error]).toEqual([400, 'unsupported_grant_type']);
    }
    expect((await harness.token({ grant_type: 'password' })).body.error).toBe('unsupported_grant_type');
  });

  test('RFC 6749 §3.2: unknown parameters are ignored, repeated ones refused, JSON is 415, a query is 4xx, GET is 405', async () => {
    expect((await harness.credentials({ foo: 'bar' })).status).toBe(200);
    const repeated = await harness.token('grant_type=client_credentials&grant_type=client_credentials', service);
    expect(repeated.status).toBe(400);
    expect(repeated.body).toMatchObject({ error: 'invalid_request' });
    const json = await send(api.url, 'POST', '/oauth2/token', {
      basic: service,
      json: { grant_type: 'client_credentials' },
    });
    expect(json.status).toBe(415);
    expect((await harness.postForm('/oauth2/token?grant_type=client_credentials', {}, service)).status).toBe(400);
    const get = await send(api.url, 'GET', '/oauth2/token');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('a client may use only the grants it registered', async () => {
    const made = await createClient(api.ports, { name: 'none', grant_types: [] }, testCaller);
    await api.ports.access.load();
    const form = { client_id: made.clientId, client_secret: made.clientSecret as string };
    expect((await harness.token({ ...form, grant_type: 'client_credentials' })).body.error).toBe('unauthorized_client');
    const refresh = await harness.token({ ...form, grant_type: 'refresh_token', refresh_token: 'x' });
    expect(refresh.body.error).toBe('unauthorized_client');
  });
});

describe('refresh grant', () => {
  const refresh = (refresh_token: string, form: Record<string, string>, client?: ClientCredentials) =>
    harness.token({ grant_type: 'refresh_token', refresh_token, ...form }, client);

  test('a public client refreshes its token family by its client id alone', async () => {
    const { tokens } = await harness.newUser();
    const { status, headers, body } = await refresh(tokens.refresh_token, { client_id: 'sallyport' });
    expect(status).toBe(200);
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(body.refresh_token).not.toBe(tokens.refresh_token);
    expect(decodeJwt(body.access_token).fid).toBe(decodeJwt(tokens.access_token).fid);
  });

  test('a confidential client refreshing without its secret is 401 invalid_client, and nothing rotates', async () => {
    const pair = await harness.pairOfService();
    const bare = await refresh(pair.refresh_token, { client_id: service.client_id });
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    expect((await refresh(pair.refresh_token, {})).status).toBe(401);
    expect((await refresh(pair.refresh_token, {}, service)).status).toBe(200);
  });

  test('another client’s token family is invalid_grant and stays unchanged', async () => {
    const { tokens } = await harness.newUser();
    const foreign = await refresh(tokens.refresh_token, {}, bystander);
    expect([foreign.status, foreign.body.error]).toEqual([400, 'invalid_grant']);
    expect((await refresh(tokens.refresh_token, { client_id: 'sallyport' })).status).toBe(200);
  });

  test('a wider scope is invalid_scope, another resource invalid_target, and neither uses up the token', async () => {
    const { tokens } = await harness.newUser();
    const client = { client_id: 'sallyport' };
    expect((await refresh(tokens.refresh_token, { ...client, scope: 'openid keys:read' })).body.error).toBe(
      'invalid_scope',
    );
    expect((await refresh(tokens.refresh_token, { ...client, resource: 'https://b.test' })).body.error).toBe(
      'invalid_target',
    );
    const narrow = await refresh(tokens.refresh_token, { ...client, scope: 'openid', resource: API_URL });
    expect(decodeJwt(narrow.body.access_token).scope).toBe('openid');
  });

  test('reuse of an older generation is 400 invalid_grant', async () => {
    const { tokens } = await harness.newUser();
    const client = { client_id: 'sallyport' };
    const second = await refresh(tokens.refresh_token, client);
    await refresh(second.body.refresh_token, client);
    const reused = await refresh(tokens.refresh_token, client);
    expect([reused.status, reused.body.error, reused.body.code]).toEqual([
      400,
      'invalid_grant',
      'refresh_token_reused',
    ]);
  });
});
