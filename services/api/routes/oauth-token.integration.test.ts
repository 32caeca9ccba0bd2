import { createHash } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { issueFor, type Pair } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type ClientCredentials, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

type Form = Sent['form'];

const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ hashes: false }));
/** May issue and introspect. */
const service = opened(() => harness.newClient(['tokens:introspect', 'tokens:issue', 'demo:read', 'demo:write']));
/** Has neither permission. */
const bystander = opened(() => harness.newClient(['demo:read']));

const newUser = () => newSignedIn(api);
const postForm = (path: string, form: Form, basic?: ClientCredentials) =>
  send(api.url, 'POST', path, { form, ...(basic ? { basic } : {}) });
const token = (form: Form, client?: ClientCredentials) => postForm('/oauth2/token', form, client);
const credentials = (form: Record<string, string> = {}, client = service) =>
  token({ grant_type: 'client_credentials', ...form }, client);
const introspect = (value: string, client = service) => postForm('/oauth2/introspect', { token: value }, client);
/** A token pair whose family belongs to the service client. */
async function pairOfService(): Promise<Pair> {
  const { id } = await newUser();
  return issueFor({ api: api.url, credentials: { client: service } }, id);
}

describe('client credentials', () => {
  test('a client gets a token for itself: sub is its id, and no claim names a user (RFC 9068 §2.2)', async () => {
    const { status, headers, body } = await credentials();
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
    const user = await newUser();
    const taking = createClient(api.ports, { name: 'x', client_id: user.id, grant_types: [] }, testCaller);
    await expect(taking).rejects.toMatchObject({ code: 'client_exists' });
  });

  test('a client token with narrowed scope may do only what the scope names', async () => {
    const reader = await harness.newClient(['keys:read', 'demo:read']);
    const wide = (await credentials({}, reader)).body.access_token;
    const narrow = (await credentials({ scope: 'demo:read' }, reader)).body.access_token;
    const readKeysAs = (bearer: string) => send(api.url, 'GET', '/v1/keys', { bearer });
    expect((await readKeysAs(wide)).status).toBe(200);
    expect((await readKeysAs(narrow)).status).toBe(403);
  });

  test('the audit row of each token, issued or refused, is committed before the answer', async () => {
    const { body } = await credentials();
    const { jti } = decodeJwt(body.access_token);
    const rows = await harness.rows`SELECT * FROM audit_outbox WHERE event_id = ${jti}`;
    expect(rows).toMatchObject([
      { type: 'token.issued', outcome: 'ok', actor_kind: 'client', actor_id: service.client_id, target_id: jti },
    ]);
    expect(rows[0].traceparent).toMatch(/^00-[0-9a-f]{32}-/);
    const refused = await credentials({ scope: 'nope' }, bystander);
    const trace = refused.body.trace_id as string;
    const found = await harness.rows`SELECT * FROM audit_outbox WHERE traceparent LIKE ${`00-${trace}-%`}`;
    expect(found).toMatchObject([
      { outcome: 'refused', actor_id: bystander.client_id, detail: { reason: 'scope_invalid' } },
    ]);
  });

  test.runIf(hasWings)('an act without approval is refused with the sign-off to request (RFC 9396)', async () => {
    const agent = await harness.newClient(['demo:read']);
    const set = `UPDATE oauth_clients SET authorization_details_types = '{sallyport_act}' WHERE "clientId" = $1`;
    await harness.rows(set, [agent.client_id]);
    await api.ports.access.load();
    const detail = { type: 'sallyport_act', act: 'keys.rotate', arguments: {} };
    const refused = await credentials({ authorization_details: JSON.stringify([detail]) }, agent);
    const arguments_sha256 = createHash('sha256').update('{}').digest('hex');
    const lacking = { type: detail.type, act: detail.act, arguments_sha256, request_at: '/v1/handoff/signoffs' };
    expect(refused).toMatchObject({
      status: 400,
      body: { error: 'invalid_authorization_details', authorization_details: [lacking] },
    });
  });

  test('a hundred at once write a hundred rows, one each', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => credentials({ scope: 'demo:read' }, bystander)),
    );
    const ids = answers.map(({ body }) => decodeJwt(body.access_token).jti);
    expect(new Set(ids).size).toBe(100);
    const rows = await harness.rows`SELECT 1 FROM audit_outbox WHERE event_id = ANY (${ids})`;
    expect(rows).toHaveLength(100);
  });

  test('wrong secret, no secret and unknown client get the same 401 invalid_client', async () => {
    const wrong = { ...service, client_secret: 'wrong' };
    const unknown = { client_id: 'unknown', client_secret: 'wrong' };
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
      expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
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
  test('password, implicit and unknown grants are unsupported', async () => {
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
    const made = await createClient(api.ports, { name: 'none', grant_types: [] }, testCaller);
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

  test('a public client refreshes its token family by its client id alone', async () => {
    const { tokens } = await newUser();
    const { status, headers, body } = await refresh(tokens.refresh_token, { client_id: 'sallyport' });
    expect(status).toBe(200);
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(body.refresh_token).not.toBe(tokens.refresh_token);
    expect(decodeJwt(body.access_token).fid).toBe(decodeJwt(tokens.access_token).fid);
  });

  test('a confidential client refreshing without its secret is 401 invalid_client, and nothing rotates', async () => {
    const pair = await pairOfService();
    const bare = await refresh(pair.refresh_token, { client_id: service.client_id });
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    expect((await refresh(pair.refresh_token, {})).status).toBe(401);
    expect((await refresh(pair.refresh_token, {}, service)).status).toBe(200);
  });

  test('another client’s token family is invalid_grant and stays unchanged', async () => {
    const { tokens } = await newUser();
    const foreign = await refresh(tokens.refresh_token, {}, bystander);
    expect([foreign.status, foreign.body.error]).toEqual([400, 'invalid_grant']);
    expect((await refresh(tokens.refresh_token, { client_id: 'sallyport' })).status).toBe(200);
  });

  test('a wider scope is invalid_scope, another resource invalid_target, and neither uses up the token', async () => {
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

  test('reuse of an older generation is 400 invalid_grant', async () => {
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

const revoke = (value: string, client: ClientCredentials): Promise<Received> =>
  postForm('/oauth2/revoke', { token: value }, client);

describe('introspection', () => {
  const inactive = (answer: { status: number; body: unknown }) =>
    expect([answer.status, answer.body]).toEqual([200, { active: false }]);

  test('only an authenticated client with tokens:introspect may introspect', async () => {
    const { tokens } = await newUser();
    const bare = await postForm('/oauth2/introspect', { token: tokens.access_token });
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    const named = await postForm('/oauth2/introspect', { token: tokens.access_token, client_id: 'sallyport' });
    expect(named.status).toBe(401);
    expect((await introspect(tokens.access_token, bystander)).status).toBe(403);
  });

  test('an active access token returns its claims (RFC 7662 §2.2)', async () => {
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

  test('a token for another audience, an invalid one and another issuer’s are exactly {"active":false}', async () => {
    const elsewhere = (await credentials({ resource: 'https://elsewhere.test' })).body.access_token;
    const resource = async (audiences: readonly string[]): Promise<ClientCredentials> => {
      const credentialScopes = ['tokens:introspect'];
      const input = {
        name: 'resource',
        grant_types: ['client_credentials'],
        credential_scopes: credentialScopes,
        audiences,
      };
      const made = await createClient(api.ports, input, testCaller);
      await api.ports.access.load();
      return { client_id: made.clientId, client_secret: made.clientSecret as string };
    };
    const foreign = await resource(['https://elsewhere.test/other', 'https://elsewhere']);
    for (const asker of [foreign, service]) inactive(await introspect(elsewhere, asker));
    // RFC 7662 §4: the token's audience may introspect it.
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

  test('a refresh token is active until used, and introspection does not rotate it', async () => {
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

  test('revoked tokens are inactive', async () => {
    const { tokens, sessionId } = await newUser();
    const admin = await harness.newClient(['tokens:revoke']);
    const json = { session_id: sessionId, reason: 'test' };
    await send(api.url, 'POST', '/v1/tokens/revoke', { basic: admin, json });
    inactive(await introspect(tokens.access_token));
    inactive(await introspect(tokens.refresh_token));
  });
});

describe('revocation (RFC 7009)', () => {
  test('an unknown token is 200 with no body; GET is 405; an anonymous request is 401', async () => {
    const unknown = await revoke('rubbish', service);
    expect([unknown.status, unknown.body]).toEqual([200, undefined]);
    expect((await send(api.url, 'GET', '/oauth2/revoke?token=x')).status).toBe(405);
    expect((await postForm('/oauth2/revoke', { token: 'x' })).status).toBe(401);
  });

  test('another client’s tokens are refused and stay active', async () => {
    const pair = await pairOfService();
    for (const value of [pair.access_token, pair.refresh_token]) {
      const refused = await revoke(value, bystander);
      expect([refused.status, refused.body.code]).toEqual([400, 'token_of_another_client']);
    }
    expect((await introspect(pair.access_token)).body.active).toBe(true);
    expect((await introspect(pair.refresh_token)).body.active).toBe(true);
  });

  test('revoking a refresh token revokes its access tokens; revoking an access token leaves the family valid', async () => {
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

  test('a public client revokes its token family by its client id', async () => {
    const { tokens } = await newUser();
    const form = { token: tokens.refresh_token, client_id: 'sallyport', token_type_hint: 'refresh_token' };
    expect((await postForm('/oauth2/revoke', form)).status).toBe(200);
    expect((await introspect(tokens.access_token)).body).toEqual({ active: false });
  });
});
