import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { atOnce, patiently } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, newClient, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const trusted = opened(() => harness.newClient(['tokens:issue', 'demo:read']));

/** The headers that a browser sends from our own pages. */
const own = { origin: API_URL };
const newUser = () => newSignedIn(api);
const validate = (token: string): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/validate', { json: { token } });

describe('issue', () => {
  test('a session cookie gets a pair for that session; both work and the tokens differ', async () => {
    const login = await newUser();
    const answer = await send(api.url, 'POST', '/v1/tokens', { cookie: login.cookie, headers: own, json: {} });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
    expect(answer.body).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    // Its lifetime is the rest of the session's, which began just before.
    expect(answer.body.refresh_expires_in).toBeGreaterThan(604_000);
    expect(answer.body.refresh_expires_in).toBeLessThanOrEqual(604_800);
    const claims = decodeJwt(answer.body.access_token);
    expect(decodeProtectedHeader(answer.body.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'RS256' });
    expect(claims).toMatchObject({
      iss: API_URL,
      aud: API_URL,
      sub: login.id,
      sid: login.sessionId,
      client_id: 'sallyport',
      email: login.email,
      roles: ['user'],
      ue: 0,
      ce: 0,
    });
    expect((claims.exp as number) - (claims.iat as number)).toBe(900);
    expect(claims.jti).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(claims).not.toHaveProperty('bip');
    expect(claims).not.toHaveProperty('cnf');
    expect((await validate(answer.body.access_token)).body).toEqual({ active: true, claims });
  });

  test('a cookie may issue without a body, and another origin’s page cannot use it', async () => {
    const login = await newUser();
    expect((await send(api.url, 'POST', '/v1/tokens', { cookie: login.cookie, headers: own })).status).toBe(201);
    const foreign = { origin: 'https://evil.test' };
    expect((await send(api.url, 'POST', '/v1/tokens', { cookie: login.cookie, headers: foreign })).status).toBe(403);
  });

  test('a client with tokens:issue gets a pair for a user, limited by its scopes', async () => {
    const { id: userId } = await newUser();
    const body = { user_id: userId, audience: 'https://tasks.test', scope: 'openid email', device: { name: 'phone' } };
    const answer = await send(api.url, 'POST', '/v1/tokens', { basic: trusted, json: body });
    expect(answer.status).toBe(201);
    expect(decodeJwt(answer.body.access_token)).toMatchObject({
      sub: userId,
      aud: 'https://tasks.test',
      scope: 'openid email',
      client_id: trusted.client_id,
      permissions: [],
    });
    expect(decodeJwt(answer.body.access_token)).not.toHaveProperty('sid');
    const wide = await send(api.url, 'POST', '/v1/tokens', { basic: trusted, json: { ...body, scope: 'keys:read' } });
    expect([wide.status, wide.body.code]).toEqual([400, 'scope_invalid']);
  });

  test('a token in the query is refused, and answers with tokens are never cacheable', async () => {
    const { access_token: token } = (await newUser()).tokens;
    const inQuery = await send(api.url, 'POST', `/v1/tokens/validate?token=${token}`, { json: { token } });
    expect(inQuery.status).toBe(400);
    expect(JSON.stringify(inQuery.body)).not.toContain(token);
    expect((await validate(token)).headers.get('cache-control')).toBe('no-store');
  });
});

test('JWT_ISSUER alone sets the issuer, exactly as written, and does not affect the audience', async () => {
  const named = await harness.startCopy({ hashes: false, env: { JWT_ISSUER: 'https://issuer.test/' } });
  const { id } = await newUser();
  const { body } = await send(named.url, 'POST', '/v1/tokens', { basic: trusted, json: { user_id: id } });
  expect(decodeJwt(body.access_token)).toMatchObject({ iss: 'https://issuer.test/', aud: API_URL });
});

describe('rights', () => {
  test.each(['none', 'admin'])(
    'a pair issued for a user has no permission granted to the user later, with MFA_REQUIRED_ROLES=%s',
    async (MFA_REQUIRED_ROLES) => {
      const copy = await harness.startCopy({ hashes: false, env: { MFA_REQUIRED_ROLES } });
      const role = `helpdesk-${MFA_REQUIRED_ROLES}`;
      await harness.rows`INSERT INTO roles (name, description) VALUES (${role}, 'Issues')`;
      await harness.rows`INSERT INTO role_permissions (role, permission) VALUES (${role}, 'tokens:issue')`;
      const [helper, user] = [await newPerson(copy, [role]), await newPerson(copy)];
      const issued = await send(copy.url, 'POST', '/v1/tokens', { bearer: helper.bearer, json: { user_id: user.id } });
      expect(issued.status).toBe(201);
      for (const given of ['operator', 'auditor', 'compliance', 'admin'])
        await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, ${given})`;
      const refreshed = async (refreshToken: string) =>
        (await send(copy.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: refreshToken } })).body
          .access_token;
      const [delegated, own] = [await refreshed(issued.body.refresh_token), await refreshed(user.refreshToken)];
      expect(decodeJwt(delegated)).toMatchObject({ sub: user.id, roles: ['user'], permissions: [] });
      for (const path of ['admin/users', 'audit/events', 'admin/sessions', 'keys', 'admin/clients', 'tokens/stats']) {
        const statuses = [own, delegated].map(
          async (bearer) => (await send(copy.url, 'GET', `/v1/${path}`, { bearer })).status,
        );
        expect([path, ...(await Promise.all(statuses))]).toEqual([path, 200, 403]);
      }
    },
  );

  test('a user’s token that another client holds issues no permission beyond its own, whatever that client’s scope', async () => {
    const { rows: sql } = harness;
    const admin = await newUser();
    const holder = await newUser();
    await sql(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [admin.id]);
    const { clientId, basic } = await newClient(api, ['tokens:issue'], ['openid', 'tokens:issue', 'keys:manage']);
    await sql(`INSERT INTO roles (name, description) VALUES ('issuers', 'Issues')`);
    await sql(`INSERT INTO role_permissions (role, permission) VALUES ('issuers', 'tokens:issue')`);
    await sql(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'issuers')`, [holder.id]);
    await api.ports.access.load();
    const given = await send(api.url, 'POST', '/v1/tokens', {
      headers: { authorization: basic },
      json: { user_id: holder.id },
    });
    // No user signed in for it: the client said so. Then one has.
    const json = { user_id: admin.id, scope: 'openid' };
    const unproven = await send(api.url, 'POST', '/v1/tokens', { bearer: given.body.access_token, json });
    expect([unproven.status, unproven.body.code]).toEqual([403, 'step_up_required']);
    await sql('UPDATE refresh_families SET auth_time = now() WHERE user_id = $1', [holder.id]);
    const again = { refresh_token: given.body.refresh_token };
    const bearer = (await send(api.url, 'POST', '/v1/tokens/refresh', { json: again })).body.access_token;
    expect(decodeJwt(bearer)).toMatchObject({ client_id: clientId, permissions: ['tokens:issue'] });
    const issueFor = (scope: string) =>
      send(api.url, 'POST', '/v1/tokens', { bearer, json: { user_id: admin.id, scope } });
    const strong = await issueFor('openid keys:manage');
    expect([strong.status, strong.body.code]).toEqual([403, 'permission_missing']);
    expect(decodeJwt((await issueFor('openid tokens:issue')).body.access_token).permissions).toEqual(['tokens:issue']);
  });

  test('a removed permission is in no later token, even on a copy that has not been notified yet', async () => {
    const { access } = api.ports;
    const { load } = access;
    const { rows: sql } = harness;
    const permissionsOf = (token: string) => decodeJwt(token).permissions;
    await sql(`INSERT INTO role_permissions (role, permission) VALUES ('user', 'keys:read')`);
    await load();
    const before = await newUser();
    expect(permissionsOf(before.tokens.access_token)).toEqual(['keys:read']);
    // The poll's function: from now on this copy receives no changes.
    access.load = async () => {};
    try {
      await sql(`DELETE FROM role_permissions WHERE role = 'user' AND permission = 'keys:read'`);
      expect(access.permissionsOf(['user'])).toEqual(new Set(['keys:read']));
      const pair = await send(api.url, 'POST', '/v1/tokens', { cookie: before.cookie, headers: own, json: {} });
      expect([pair.status, permissionsOf(pair.body.access_token)]).toEqual([201, []]);
    } finally {
      access.load = load;
      await load();
    }
  });
});

describe('refresh', () => {
  test('a refresh returns a new token pair, and its claims follow the token family', async () => {
    const login = await newUser();
    const { tokens } = login;
    const answer = await send(api.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: tokens.refresh_token } });
    expect(answer.status).toBe(200);
    expect(answer.body.refresh_token).not.toBe(tokens.refresh_token);
    const [before, after] = [decodeJwt(tokens.access_token), decodeJwt(answer.body.access_token)];
    expect(after.jti).not.toBe(before.jti);
    expect([after.sub, after.sid, after.fid, after.auth_time]).toEqual([
      before.sub,
      before.sid,
      before.fid,
      before.auth_time,
    ]);
  });

  test('a refresh token is not accepted as an access token', async () => {
    const { tokens } = await newUser();
    expect((await validate(tokens.refresh_token)).body).toEqual({ active: false, reason: 'malformed' });
  });
});

describe('idempotency', () => {
  /** As clients do: a 503 is retried with the same key. */
  const issueWith = (key: string, body: object, client = trusted): Promise<Received> => {
    const headers = { 'idempotency-key': key };
    return patiently(() => send(api.url, 'POST', '/v1/tokens', { basic: client, headers, json: body }));
  };
  const familiesOf = async (userId: string): Promise<number> =>
    (await harness.rows`SELECT 1 FROM refresh_families WHERE user_id = ${userId}`).length;

  test('twenty concurrent requests with one key create one token family and get one pair', async () => {
    const { id: userId } = await newUser();
    const before = await familiesOf(userId);
    const key = randomUUID();
    const answers = await atOnce(20, () => issueWith(key, { user_id: userId }));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => decodeJwt(body.access_token).jti)).size).toBe(1);
    expect(await familiesOf(userId)).toBe(before + 1);
    const rows = await harness.rows`SELECT 1 FROM audit_outbox
      WHERE type = 'token.family_created' AND detail ->> 'user_id' = ${userId}`;
    expect(rows).toHaveLength(before + 1);
  });

  test('the stored row contains neither the tokens nor the key in clear', async () => {
    const { id: userId } = await newUser();
    const key = randomUUID();
    const { body } = await issueWith(key, { user_id: userId });
    const rows = await harness.rows`SELECT * FROM idempotency_keys`;
    const dump = rows
      .map((row: object) =>
        Object.values(row)
          .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
          .join(),
      )
      .join();
    for (const part of [body.refresh_token.split('.')[3], key, decodeJwt(body.access_token).jti])
      expect(dump).not.toContain(part);
  });

  test('a failed request stores no key: the retry may succeed', async () => {
    const key = randomUUID();
    const userId = randomUUID();
    expect((await issueWith(key, { user_id: userId })).status).toBe(404);
    await insertUser(api.stores.pools.main, userId);
    expect((await issueWith(key, { user_id: userId })).status).toBe(201);
  });

  test('an expired key is free again', async () => {
    const { id: userId } = await newUser();
    const key = randomUUID();
    const first = await issueWith(key, { user_id: userId });
    await harness.rows`UPDATE idempotency_keys SET expires_at = now() - interval '1 second'`;
    const second = await issueWith(key, { user_id: userId });
    expect(second.body.refresh_token).not.toBe(first.body.refresh_token);
  });
});
