import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../domain/access/create-client.ts';
import { API_URL, type ApiCopy } from '../../platform/testing/api-copy.ts';
import { issueFor, type Pair } from '../../platform/testing/flows/flows.ts';
import { newSignedIn } from '../../platform/testing/flows/signed-in.ts';
import { type Received, type Sent, send } from '../../platform/testing/http-client.ts';
import { testCaller } from '../../platform/testing/ports.ts';
import type { ClientCredentials } from '../../platform/testing/product.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/worlds/api-world.ts';

let world: ApiWorld;
let api: ApiCopy;
let service: ClientCredentials;
let bystander: ClientCredentials;

beforeAll(async () => {
  world = await openApiWorld();
  api = await world.startCopy({ hashes: false });
  service = await world.newClient(['tokens:introspect', 'tokens:issue', 'demo:read', 'demo:write']);
  bystander = await world.newClient(['demo:read']);
});
afterAll(() => world?.close());

const newUser = () => newSignedIn(api);
const postForm = (path: string, form: Sent['form'], basic?: ClientCredentials): Promise<Received> =>
  send(api.url, 'POST', path, { form, ...(basic ? { basic } : {}) });
const token = (form: Sent['form'], client?: ClientCredentials) => postForm('/oauth2/token', form, client);
const credentials = (form: Record<string, string> = {}, client = service) =>
  token({ grant_type: 'client_credentials', ...form }, client);
const introspect = (value: string, client = service) => postForm('/oauth2/introspect', { token: value }, client);
const revoke = (value: string, client: ClientCredentials) => postForm('/oauth2/revoke', { token: value }, client);

/** A pair whose login belongs to the service client. */
async function pairOfService(): Promise<Pair> {
  const { id } = await newUser();
  return issueFor({ api: api.url, credentials: { client: service } }, id);
}

describe('client credentials', () => {
  test('a client gets a token of its own: sub is its id, and nothing speaks of a user (RFC 9068 §2.2, T18)', async () => {
    const { status, headers, body } = await credentials();
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    expect(body).not.toHaveProperty('refresh_token');
    const claims = decodeJwt(body.access_token);
    expect(claims).toMatchObject({ sub: service.client_id, client_id: service.client_id, aud: API_URL, ce: 0 });
    expect(claims.permissions).toEqual(['tokens:introspect', 'tokens:issue']);
    expect(claims.scope).toBe('tokens:introspect tokens:issue demo:read demo:write');
    for (const name of ['sid', 'fid', 'email', 'roles', 'ue', 'auth_time']) expect(claims).not.toHaveProperty(name);
  });

  test('a client may not take a user’s id as its own, whichever comes first (T18)', async () => {
    const user = await newUser();
    const taking = createClient(api.ports, { name: 'x', clientId: user.id, grantTypes: [] }, testCaller);
    await expect(taking).rejects.toMatchObject({ code: 'client_exists' });
  });

  test('scope is a part of what is registered, resource and audience choose the audience', async () => {
    const narrow = await credentials({ scope: 'demo:read', resource: 'https://tasks.test/api' });
    expect(decodeJwt(narrow.body.access_token)).toMatchObject({
      scope: 'demo:read',
      aud: 'https://tasks.test/api',
      permissions: [],
    });
    expect(decodeJwt((await credentials({ audience: 'tasks' })).body.access_token).aud).toBe('tasks');
    expect((await credentials({ scope: 'demo:read keys:manage' })).body).toMatchObject({ error: 'invalid_scope' });
    expect((await credentials({ resource: 'not-a-uri' })).body).toMatchObject({ error: 'invalid_target' });
    expect((await credentials({ resource: 'https://a.test/#b' })).body).toMatchObject({ error: 'invalid_target' });
    const both = await credentials({ resource: 'https://a.test', audience: 'https://b.test' });
    expect(both.body).toMatchObject({ error: 'invalid_target' });
  });

  test('a scope-narrowed token of a client may do only what it names', async () => {
    const wide = (await credentials()).body.access_token;
    const narrow = (await credentials({ scope: 'demo:read' })).body.access_token;
    const user = await newUser();
    const issueAs = (bearer: string) => send(api.url, 'POST', '/v1/tokens', { bearer, json: { user_id: user.id } });
    expect((await issueAs(wide)).status).toBe(201);
    expect((await issueAs(narrow)).status).toBe(403);
  });

  test('the audit row of each token, issued or refused, is committed before the answer (A-AUD-01)', async () => {
    const { body } = await credentials();
    const { jti } = decodeJwt(body.access_token);
    const rows = await world.rows('SELECT * FROM audit_outbox WHERE event_id = $1', [jti]);
    expect(rows).toMatchObject([
      { type: 'token.issued', outcome: 'ok', actor_kind: 'client', actor_id: service.client_id, target_id: jti },
    ]);
    expect(rows[0].traceparent).toMatch(/^00-[0-9a-f]{32}-/);
    const refused = await credentials({ scope: 'nope' }, bystander);
    const trace = refused.body.trace_id as string;
    const found = await world.rows('SELECT * FROM audit_outbox WHERE traceparent LIKE $1', [`00-${trace}-%`]);
    expect(found).toMatchObject([
      { outcome: 'refused', actor_id: bystander.client_id, detail: { reason: 'scope_invalid' } },
    ]);
  });

  test('a hundred at once leave a hundred rows, each its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => credentials({ scope: 'demo:read' }, bystander)),
    );
    const ids = answers.map(({ body }) => decodeJwt(body.access_token).jti);
    expect(new Set(ids).size).toBe(100);
    const rows = await world.rows('SELECT 1 FROM audit_outbox WHERE event_id = ANY ($1)', [ids]);
    expect(rows).toHaveLength(100);
  });

  test('wrong secret, no secret and unknown client are 401 invalid_client, alike', async () => {
    const wrong = { ...service, client_secret: 'wrong' };
    const unknown = { client_id: 'nobody', client_secret: 'wrong' };
    const answers = [
      await credentials({}, wrong),
      await credentials({}, unknown),
      await token({ grant_type: 'client_credentials' }),
      await token({ grant_type: 'client_credentials', client_id: service.client_id }),
      await token({ grant_type: 'client_credentials', client_id: service.client_id, client_secret: 'wrong' }),
      await token({ grant_type: 'client_credentials', client_id: 'sallyport' }),
    ];
    for (const { status, headers, body } of answers) {
      expect([status, body.error]).toEqual([401, 'invalid_client']);
      expect(headers.get('www-authenticate')).toMatch(/^Basic /);
      expect(headers.get('cache-control')).toBe('no-store');
    }
    const { trace_id: _, ...first } = answers[0]!.body;
    const { trace_id: __, ...second } = answers[1]!.body;
    expect(first).toEqual(second);
  });

  test('the secret may come in the form; two different clients in one request are refused', async () => {
    expect((await token({ grant_type: 'client_credentials', ...service })).status).toBe(200);
    const mixed = await credentials({
      client_id: bystander.client_id,
      refresh_token: 'x',
      grant_type: 'refresh_token',
    });
    expect(mixed.body).toMatchObject({ error: 'invalid_request' });
  });
});

describe('token endpoint', () => {
  test('T6: password, implicit and unknown grants are unsupported', async () => {
    for (const grant_type of ['password', 'implicit', 'token', 'nonsense']) {
      const { status, body } = await token({ grant_type, username: 'a', password: 'b' }, service);
      expect([status, body.error]).toEqual([400, 'unsupported_grant_type']);
    }
    expect((await token({ grant_type: 'password' })).body.error).toBe('unsupported_grant_type');
  });

  test('RFC 6749 §3.2: unknown parameters are ignored, repeated ones refused, JSON is 415, a query is 4xx, GET is 405', async () => {
    expect((await credentials({ foo: 'bar' })).status).toBe(200);
    const repeated = await token('grant_type=client_credentials&grant_type=client_credentials', service);
    expect(repeated.status).toBe(400);
    expect(repeated.body).toMatchObject({ error: 'invalid_request' });
    const json = await send(api.url, 'POST', '/oauth2/token', {
      basic: service,
      json: { grant_type: 'client_credentials' },
    });
    expect(json.status).toBe(415);
    expect((await postForm('/oauth2/token?grant_type=client_credentials', {}, service)).status).toBe(400);
    const get = await send(api.url, 'GET', '/oauth2/token');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('a client may use only the grants it registered', async () => {
    const made = await createClient(api.ports, { name: 'none', grantTypes: [] }, testCaller);
    await api.ports.access.load();
    const form = { client_id: made.clientId, client_secret: made.clientSecret as string };
    expect((await token({ ...form, grant_type: 'client_credentials' })).body.error).toBe('unauthorized_client');
    const refresh = await token({ ...form, grant_type: 'refresh_token', refresh_token: 'x' });
    expect(refresh.body.error).toBe('unauthorized_client');
  });
});

describe('refresh grant', () => {
  const refresh = (refresh_token: string, form: Record<string, string>, client?: ClientCredentials) =>
    token({ grant_type: 'refresh_token', refresh_token, ...form }, client);

  test('a public client refreshes its login by name alone', async () => {
    const { tokens } = await newUser();
    const { status, headers, body } = await refresh(tokens.refresh_token, { client_id: 'sallyport' });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body.refresh_token).not.toBe(tokens.refresh_token);
    expect(decodeJwt(body.access_token).fid).toBe(decodeJwt(tokens.access_token).fid);
  });

  test('T13: a confidential client refreshing without its secret is 401 invalid_client and moves nothing', async () => {
    const pair = await pairOfService();
    const bare = await refresh(pair.refresh_token, { client_id: service.client_id });
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    expect((await refresh(pair.refresh_token, {})).status).toBe(401);
    expect((await refresh(pair.refresh_token, {}, service)).status).toBe(200);
  });

  test('another client’s login is invalid_grant and stays as it is', async () => {
    const { tokens } = await newUser();
    const foreign = await refresh(tokens.refresh_token, {}, bystander);
    expect([foreign.status, foreign.body.error]).toEqual([400, 'invalid_grant']);
    expect((await refresh(tokens.refresh_token, { client_id: 'sallyport' })).status).toBe(200);
  });

  test('T14: a wider scope is invalid_scope, another resource invalid_target, and neither uses the token up', async () => {
    const { tokens } = await newUser();
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

  test('T1: reuse of an older generation is 400 invalid_grant', async () => {
    const { tokens } = await newUser();
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

describe('introspection', () => {
  const inactive = (answer: { status: number; body: unknown }) =>
    expect([answer.status, answer.body]).toEqual([200, { active: false }]);

  test('T12: only an authenticated client with tokens:introspect may ask', async () => {
    const { tokens } = await newUser();
    const bare = await postForm('/oauth2/introspect', { token: tokens.access_token });
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    const named = await postForm('/oauth2/introspect', { token: tokens.access_token, client_id: 'sallyport' });
    expect(named.status).toBe(401);
    expect((await introspect(tokens.access_token, bystander)).status).toBe(403);
  });

  test('an access token tells its claims (RFC 7662 §2.2)', async () => {
    const { tokens, id: userId } = await newUser();
    const { status, headers, body } = await introspect(tokens.access_token);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      active: true,
      token_type: 'Bearer',
      sub: userId,
      client_id: 'sallyport',
      iss: API_URL,
    });
    expect(body).toMatchObject(decodeJwt(tokens.access_token));
  });

  test('T12: a token for another audience, rubbish and a foreign token are exactly {"active":false}', async () => {
    const elsewhere = (await credentials({ resource: 'https://elsewhere.test' })).body.access_token;
    const resource = async (audiences: readonly string[]): Promise<ClientCredentials> => {
      const credentialScopes = ['tokens:introspect'];
      const input = { name: 'resource', grantTypes: ['client_credentials'], credentialScopes, audiences };
      const made = await createClient(api.ports, input, testCaller);
      await api.ports.access.load();
      return { client_id: made.clientId, client_secret: made.clientSecret as string };
    };
    const foreign = await resource(['https://elsewhere.test/other', 'https://elsewhere']);
    for (const asker of [foreign, service]) inactive(await introspect(elsewhere, asker));
    // RFC 7662 §4: whom the token is for may ask.
    const named = await resource(['https://elsewhere.test']);
    expect((await introspect(elsewhere, named)).body).toMatchObject({ active: true, aud: 'https://elsewhere.test' });
    const { id } = await newUser();
    const pair = await issueFor({ api: api.url, credentials: { client: service } }, id, {
      audience: 'https://elsewhere.test',
    });
    for (const asker of [foreign, service]) inactive(await introspect(pair.refresh_token, asker));
    expect((await introspect(pair.refresh_token, named)).body).toMatchObject({ active: true, sub: id });
    inactive(await introspect('rubbish'));
    inactive(await introspect(`sp_rt_1.${'A'.repeat(22)}.0.${'A'.repeat(43)}.${'A'.repeat(43)}`));
  });

  test('a refresh token is active without moving; used, it is not', async () => {
    const { tokens, id: userId } = await newUser();
    for (let turn = 0; turn < 2; turn += 1) {
      const { body } = await introspect(tokens.refresh_token);
      expect(body).toMatchObject({ active: true, sub: userId, client_id: 'sallyport' });
      expect(body).not.toHaveProperty('token_type');
    }
    const refreshed = await send(api.url, 'POST', '/v1/tokens/refresh', {
      json: { refresh_token: tokens.refresh_token },
    });
    expect(refreshed.status).toBe(200);
    inactive(await introspect(tokens.refresh_token));
    expect((await introspect(refreshed.body.refresh_token)).body.active).toBe(true);
  });

  test('ended tokens are inactive', async () => {
    const { tokens, sessionId } = await newUser();
    const admin = await world.newClient(['tokens:revoke']);
    const json = { session_id: sessionId, reason: 'test' };
    await send(api.url, 'POST', '/v1/tokens/revoke', { basic: admin, json });
    inactive(await introspect(tokens.access_token));
    inactive(await introspect(tokens.refresh_token));
  });
});

describe('revocation (RFC 7009)', () => {
  test('T10: an unknown token is 200 with no body; GET is 405; nobody is 401', async () => {
    const unknown = await revoke('rubbish', service);
    expect([unknown.status, unknown.body]).toEqual([200, undefined]);
    expect((await send(api.url, 'GET', '/oauth2/revoke?token=x')).status).toBe(405);
    expect((await postForm('/oauth2/revoke', { token: 'x' })).status).toBe(401);
  });

  test('T10: another client’s tokens are refused and stay active', async () => {
    const pair = await pairOfService();
    for (const value of [pair.access_token, pair.refresh_token]) {
      const refused = await revoke(value, bystander);
      expect([refused.status, refused.body.code]).toEqual([400, 'token_of_another_client']);
    }
    expect((await introspect(pair.access_token)).body.active).toBe(true);
    expect((await introspect(pair.refresh_token)).body.active).toBe(true);
  });

  test('T10: revoking a refresh token kills its access tokens; revoking an access token leaves the login', async () => {
    const pair = await pairOfService();
    expect((await revoke(pair.access_token, service)).status).toBe(200);
    expect((await introspect(pair.access_token)).body).toEqual({ active: false });
    const next = await token({ grant_type: 'refresh_token', refresh_token: pair.refresh_token }, service);
    expect(next.status).toBe(200);
    expect((await revoke(next.body.refresh_token, service)).status).toBe(200);
    expect((await introspect(next.body.access_token)).body).toEqual({ active: false });
    expect(
      (await token({ grant_type: 'refresh_token', refresh_token: next.body.refresh_token }, service)).body.error,
    ).toBe('invalid_grant');
    expect((await revoke(next.body.refresh_token, service)).status).toBe(200);
  });

  test('a public client revokes its login by name', async () => {
    const { tokens } = await newUser();
    const form = { token: tokens.refresh_token, client_id: 'sallyport', token_type_hint: 'refresh_token' };
    expect((await postForm('/oauth2/revoke', form)).status).toBe(200);
    expect((await introspect(tokens.access_token)).body).toEqual({ active: false });
  });
});
