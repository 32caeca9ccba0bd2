import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  API_URL,
  type ApiCopy,
  newAuthSecret,
  newClient,
  postForm,
  startApiCopy,
  type TestClient,
} from '../../platform/testing/api-copy.ts';
import { type HttpAnswer, newPerson, send } from '../../platform/testing/identity-world.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../platform/testing/stores.ts';

let database: TestDatabase;
let api: ApiCopy;
let other: ApiCopy;
let trusted: TestClient;
let ordinary: TestClient;

beforeAll(async () => {
  database = await createTestDatabase();
  const shared = { databaseUrl: database.url, redisUrl: testRedisUrl(), authSecret: newAuthSecret() };
  api = await startApiCopy(shared);
  other = await startApiCopy(shared);
  trusted = await newClient(api, ['tokens:issue', 'tokens:read', 'tokens:revoke', 'tokens:introspect', 'demo:read']);
  ordinary = await newClient(api, ['demo:read']);
  await other.ports.access.load();
});
afterAll(async () => {
  await Promise.all([api.stop(), other.stop()]);
  await database.drop();
});

type Login = {
  readonly answer: HttpAnswer;
  readonly cookie: string;
  readonly userId: string;
  readonly sessionId: string;
};

async function signUp(): Promise<Login> {
  const answer = await send(api, 'POST', '/api/auth/signup', { body: newPerson(), headers: { origin: API_URL } });
  expect(answer.status).toBe(201);
  return { answer, cookie: answer.cookie, userId: answer.body.user.id, sessionId: answer.body.session.id };
}

const own = { origin: API_URL };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (client: TestClient) => ({ authorization: client.basic });
const validate = (token: string, more: object = {}, copy = api) =>
  send(copy, 'POST', '/v1/tokens/validate', { body: { token, ...more } });
const auditRows = async (where: string, values: unknown[]) =>
  (await api.stores.pools.main.query(`SELECT * FROM audit_outbox WHERE ${where} ORDER BY id`, values)).rows;

describe('issue', () => {
  test('A-TOK-01: a session cookie gets a pair for that session; both work and the tokens differ', async () => {
    const login = await signUp();
    const answer = await send(api, 'POST', '/v1/tokens', { cookie: login.cookie, headers: own, body: {} });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    // As long as the session has left, which began as long ago.
    expect(answer.body.refresh_expires_in).toBeGreaterThan(604_000);
    expect(answer.body.refresh_expires_in).toBeLessThanOrEqual(604_800);
    const claims = decodeJwt(answer.body.access_token);
    expect(decodeProtectedHeader(answer.body.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'RS256' });
    expect(claims).toMatchObject({
      iss: API_URL,
      aud: API_URL,
      sub: login.userId,
      sid: login.sessionId,
      client_id: 'sallyport',
      email: login.answer.body.user.email,
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

  test('issuing without a body works for the cookie, and a foreign page cannot do it', async () => {
    const login = await signUp();
    expect((await send(api, 'POST', '/v1/tokens', { cookie: login.cookie, headers: own })).status).toBe(201);
    const foreign = { origin: 'https://evil.test' };
    expect((await send(api, 'POST', '/v1/tokens', { cookie: login.cookie, headers: foreign })).status).toBe(403);
  });

  test('a client with tokens:issue gets a pair for a user, bounded by its scopes', async () => {
    const { userId } = await signUp();
    const body = { user_id: userId, audience: 'https://tasks.test', scope: 'openid email', device: { name: 'phone' } };
    const answer = await send(api, 'POST', '/v1/tokens', { headers: basic(trusted), body });
    expect(answer.status).toBe(201);
    expect(decodeJwt(answer.body.access_token)).toMatchObject({
      sub: userId,
      aud: 'https://tasks.test',
      scope: 'openid email',
      client_id: trusted.clientId,
      permissions: [],
    });
    expect(decodeJwt(answer.body.access_token)).not.toHaveProperty('sid');
    const wide = await send(api, 'POST', '/v1/tokens', {
      headers: basic(trusted),
      body: { ...body, scope: 'keys:read' },
    });
    expect([wide.status, wide.body.code]).toEqual([400, 'scope_invalid']);
  });

  test('P-API-11: an ordinary user cannot issue for another, nor an ordinary client; each refusal leaves a row', async () => {
    const login = await signUp();
    const victim = await signUp();
    const body = { user_id: victim.userId };
    const byUser = bearer(login.answer.body.tokens.access_token);
    expect((await send(api, 'POST', '/v1/tokens', { headers: byUser, body })).status).toBe(403);
    expect((await send(api, 'POST', '/v1/tokens', { cookie: login.cookie, headers: own, body })).status).toBe(403);
    expect((await send(api, 'POST', '/v1/tokens', { headers: basic(ordinary), body })).status).toBe(403);
    const rows = await auditRows(`type = 'token.issued' AND outcome = 'refused' AND target_id = $1`, [victim.userId]);
    expect(rows.map(({ actor_kind, actor_id }) => [actor_kind, actor_id])).toEqual([
      ['user', login.userId],
      ['user', login.userId],
      ['client', ordinary.clientId],
    ]);
  });

  test('an access token alone buys no new login', async () => {
    const login = await signUp();
    const headers = bearer(login.answer.body.tokens.access_token);
    expect((await send(api, 'POST', '/v1/tokens', { headers, body: {} })).status).toBe(403);
  });

  test('an unknown user is 404 to a caller who may issue, and no token is made', async () => {
    const answer = await send(api, 'POST', '/v1/tokens', { headers: basic(trusted), body: { user_id: randomUUID() } });
    expect([answer.status, answer.body.code]).toEqual([404, 'user_unknown']);
    const nameless = await send(api, 'POST', '/v1/tokens', { headers: basic(trusted), body: {} });
    expect([nameless.status, nameless.body.code]).toEqual([400, 'request_invalid']);
  });

  test('T15: a token in the query is refused, and no answer with tokens may be stored', async () => {
    const { answer } = await signUp();
    const token = answer.body.tokens.access_token as string;
    const inQuery = await send(api, 'POST', `/v1/tokens/validate?token=${token}`, { body: { token } });
    expect(inQuery.status).toBe(400);
    expect(JSON.stringify(inQuery.body)).not.toContain(token);
    expect((await validate(token)).headers.get('cache-control')).toBe('no-store');
  });
});

describe('rights', () => {
  test('P-API-11: tokens:issue alone begins a login for no one who may do more than its holder', async () => {
    const sql = (text: string, values: unknown[] = []) => api.stores.pools.main.query(text, values);
    await sql(`INSERT INTO roles (name, description) VALUES ('support', 'Issues')`);
    await sql(`INSERT INTO role_permissions (role, permission) VALUES ('support', 'tokens:issue')`);
    const [support, admin, plain] = await Promise.all([signUp(), signUp(), signUp()]);
    await sql(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'support'), ($2, 'admin')`, [
      support.userId,
      admin.userId,
    ]);
    const { rows } = await sql('SELECT count(*) FROM refresh_families WHERE user_id = $1', [admin.userId]);
    await api.ports.access.load();
    const again = { refresh_token: support.answer.body.tokens.refresh_token };
    const { access_token } = (await send(api, 'POST', '/v1/tokens/refresh', { body: again })).body;
    const issueFor = async (user_id: string) =>
      (await send(api, 'POST', '/v1/tokens', { headers: bearer(access_token), body: { user_id } })).status;
    expect([await issueFor(plain.userId), await issueFor(admin.userId)]).toEqual([201, 403]);
    expect((await sql('SELECT count(*) FROM refresh_families WHERE user_id = $1', [admin.userId])).rows).toEqual(rows);
    const refused = await auditRows(`type = 'token.issued' AND outcome = 'refused' AND target_id = $1`, [admin.userId]);
    expect(refused).toHaveLength(1);
  });

  test('a right taken away is in no token made after, on a copy that has not been told yet', async () => {
    const { access } = api.ports;
    const { load } = access;
    const sql = (text: string) => api.stores.pools.main.query(text);
    const permissionsOf = (token: string) => decodeJwt(token).permissions;
    await sql(`INSERT INTO role_permissions (role, permission) VALUES ('user', 'keys:read')`);
    await load();
    const before = await signUp();
    expect(permissionsOf(before.answer.body.tokens.access_token)).toEqual(['keys:read']);
    // What the poll calls: from now on this copy hears of nothing.
    access.load = async () => {};
    try {
      await sql(`DELETE FROM role_permissions WHERE role = 'user' AND permission = 'keys:read'`);
      expect(access.permissionsOf(['user'])).toEqual(new Set(['keys:read']));
      const pair = await send(api, 'POST', '/v1/tokens', {
        cookie: before.cookie,
        headers: own,
        body: {},
      });
      expect([pair.status, permissionsOf(pair.body.access_token)]).toEqual([201, []]);
    } finally {
      access.load = load;
      await load();
    }
  });
});

describe('idempotency', () => {
  /** As clients do: a 503 is tried again with the same key. */
  const issueWith = async (key: string, body: object, client = trusted): Promise<HttpAnswer> => {
    const headers = { ...basic(client), 'idempotency-key': key };
    const answer = await send(api, 'POST', '/v1/tokens', { headers, body });
    return answer.status === 503 ? issueWith(key, body, client) : answer;
  };
  const familiesOf = async (userId: string) =>
    (await api.stores.pools.main.query('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId])).rowCount;

  test('twenty concurrent requests with one key begin one login and get one pair', async () => {
    const { userId } = await signUp();
    const before = (await familiesOf(userId)) ?? 0;
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => issueWith(key, { user_id: userId })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => decodeJwt(body.access_token).jti)).size).toBe(1);
    expect(await familiesOf(userId)).toBe(before + 1);
    const rows = await auditRows(`type = 'token.family_created' AND detail ->> 'user_id' = $1`, [userId]);
    expect(rows).toHaveLength(before + 1);
  });

  test('the same key with another body is 422 and makes nothing; another caller’s same key is another key', async () => {
    const { userId } = await signUp();
    const before = (await familiesOf(userId)) ?? 0;
    const key = randomUUID();
    expect((await issueWith(key, { user_id: userId })).status).toBe(201);
    const reused = await issueWith(key, { user_id: userId, scope: 'openid' });
    expect([reused.status, reused.body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(await familiesOf(userId)).toBe(before + 1);
    const second = await newClient(api, ['tokens:issue']);
    expect((await issueWith(key, { user_id: userId }, second)).status).toBe(201);
    expect(await familiesOf(userId)).toBe(before + 2);
  });

  test('C-TOK-20: what is stored opens neither the tokens nor names the key', async () => {
    const { userId } = await signUp();
    const key = randomUUID();
    const { body } = await issueWith(key, { user_id: userId });
    const { rows } = await api.stores.pools.main.query('SELECT * FROM idempotency_keys');
    const dump = rows
      .map((row) =>
        Object.values(row)
          .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
          .join(),
      )
      .join();
    expect(dump).not.toContain(body.refresh_token.split('.')[3]);
    expect(dump).not.toContain(key);
    expect(dump).not.toContain(decodeJwt(body.access_token).jti);
  });

  test('a failed request keeps no key: the retry may succeed', async () => {
    const key = randomUUID();
    const userId = randomUUID();
    expect((await issueWith(key, { user_id: userId })).status).toBe(404);
    await api.stores.pools.main.query('INSERT INTO users (id, email) VALUES ($1, $2)', [
      userId,
      `${userId}@people.test`,
    ]);
    expect((await issueWith(key, { user_id: userId })).status).toBe(201);
  });

  test('an expired key is free again, and a key that is no visible text is refused', async () => {
    const { userId } = await signUp();
    const key = randomUUID();
    const first = await issueWith(key, { user_id: userId });
    await api.stores.pools.main.query(`UPDATE idempotency_keys SET expires_at = now() - interval '1 second'`);
    const second = await issueWith(key, { user_id: userId });
    expect(second.body.refresh_token).not.toBe(first.body.refresh_token);
    expect((await issueWith('x'.repeat(256), { user_id: userId })).status).toBe(400);
  });
});

describe('refresh', () => {
  test('A-TOK-03: a refresh gives a whole new pair, and claims follow the login', async () => {
    const login = await signUp();
    const { tokens } = login.answer.body;
    const answer = await send(api, 'POST', '/v1/tokens/refresh', { body: { refresh_token: tokens.refresh_token } });
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

  test('A-TOK-02: a refresh token is no access token', async () => {
    const { answer } = await signUp();
    expect((await validate(answer.body.tokens.refresh_token)).body).toEqual({ active: false, reason: 'malformed' });
  });
});

describe('validate', () => {
  test('the Bearer header without a body answers like the body', async () => {
    const { answer } = await signUp();
    const token = answer.body.tokens.access_token as string;
    const byHeader = await send(api, 'POST', '/v1/tokens/validate', { headers: bearer(token) });
    expect(byHeader.body).toEqual((await validate(token)).body);
    expect((await send(api, 'POST', '/v1/tokens/validate', {})).body).toEqual({ active: false, reason: 'malformed' });
  });

  test('J8, T12: audience and scope are held against what the asker names', async () => {
    const { answer } = await signUp();
    const token = answer.body.tokens.access_token as string;
    expect((await validate(token, { audience: 'https://foreign.test' })).body).toEqual({
      active: false,
      reason: 'wrong_audience',
    });
    expect((await validate(token, { required_scope: 'openid' })).body.active).toBe(true);
    expect((await validate(token, { required_scope: 'openid keys:read' })).body).toEqual({
      active: false,
      reason: 'insufficient_scope',
    });
  });

  test('hostile bodies are 4xx with a code and the process lives', async () => {
    const bodies = [
      '{"token":1}',
      '{"token":null}',
      '{}',
      '[]',
      '{"token":{"not":""}}',
      '{"token":"a","extra":1}',
      '{"token":"a","__proto__":{"x":1}}',
      `{"token":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      '{"token":"a","context":{"ip":1}}',
      'not json',
      '',
    ];
    for (const body of bodies) {
      const response = await fetch(`${api.url}/v1/tokens/validate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      if (body === '') expect(await response.json()).toEqual({ active: false, reason: 'malformed' });
      else {
        expect([body.slice(0, 30), response.status]).toEqual([body.slice(0, 30), 400]);
        expect(await response.json()).toHaveProperty('code');
      }
    }
    const huge = await fetch(`${api.url}/v1/tokens/validate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: 'a'.repeat(70_000) }),
    });
    expect([huge.status, ((await huge.json()) as { code: string }).code]).toEqual([413, 'body_too_large']);
    const typed = await fetch(`${api.url}/v1/tokens/validate`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'x',
    });
    expect(typed.status).toBe(415);
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  });

  test('J14: a token over 8 KB is malformed', async () => {
    expect((await validate(`a.${'b'.repeat(8_192)}.c`)).body).toEqual({ active: false, reason: 'malformed' });
  });
});

describe('validate-batch', () => {
  test('A-TOK-11: a hundred mixed ids give a hundred ordered answers in one round trip', async () => {
    const logins = await Promise.all([signUp(), signUp()]);
    const ids = logins.map(({ answer }) => decodeJwt(answer.body.tokens.access_token).jti as string);
    const asked = Array.from({ length: 100 }, (_, index) =>
      index % 3 === 2 ? randomUUID() : (ids[index % 3] as string),
    );
    let trips = 0;
    const { getMany } = api.stores.redis;
    api.stores.redis.getMany = (keys) => {
      trips += 1;
      return getMany(keys);
    };
    const answer = await send(api, 'POST', '/v1/tokens/validate-batch', {
      headers: basic(trusted),
      body: { token_ids: asked },
    });
    api.stores.redis.getMany = getMany;
    expect(trips).toBe(1);
    expect(answer.body.results).toHaveLength(100);
    for (const [index, result] of answer.body.results.entries()) {
      if (index % 3 === 2) expect(result).toEqual({ active: false, reason: 'unknown_id' });
      else
        expect(result).toMatchObject({ active: true, claims: { jti: asked[index], sub: logins[index % 3]?.userId } });
    }
  });

  test('tokens need no credential and come back in order; ids need tokens:read', async () => {
    const { answer } = await signUp();
    const token = answer.body.tokens.access_token as string;
    const body = { tokens: [token, 'rubbish', `${token.slice(0, -4)}AAAA`] };
    const { body: batch } = await send(api, 'POST', '/v1/tokens/validate-batch', { body });
    expect(batch.results.map((result: { active: boolean; reason?: string }) => result.reason ?? result.active)).toEqual(
      [true, 'malformed', 'bad_signature'],
    );
    const anonymous = await send(api, 'POST', '/v1/tokens/validate-batch', { body: { token_ids: ['a'] } });
    expect(anonymous.status).toBe(403);
    const both = await send(api, 'POST', '/v1/tokens/validate-batch', { body: { tokens: [], token_ids: [] } });
    expect(both.status).toBe(400);
    const many = await send(api, 'POST', '/v1/tokens/validate-batch', { body: { tokens: Array(1_001).fill('a') } });
    expect(many.status).toBe(400);
  });

  test('a thousand full tokens fit into the batch’s own body limit', async () => {
    const { answer } = await signUp();
    const tokens = Array(1_000).fill(answer.body.tokens.access_token);
    const { status, body } = await send(api, 'POST', '/v1/tokens/validate-batch', { body: { tokens } });
    expect(status).toBe(200);
    expect(body.results.every((result: { active: boolean }) => result.active)).toBe(true);
  });
});

describe('metadata', () => {
  test('A-TOK-09: metadata is there from issue, answers to tokens:read alone, and an unknown id is 404', async () => {
    const { answer, userId, sessionId } = await signUp();
    const { jti, iat } = decodeJwt(answer.body.tokens.access_token);
    const found = await send(api, 'GET', `/v1/tokens/${jti}`, { headers: basic(trusted) });
    expect(found.body).toMatchObject({
      token_id: jti,
      user_id: userId,
      session_id: sessionId,
      type: 'access',
      role: 'user',
      issued_at: new Date((iat as number) * 1_000).toISOString(),
      revoked: false,
    });
    expect((await send(api, 'GET', `/v1/tokens/${randomUUID()}`, { headers: basic(trusted) })).body.code).toBe(
      'token_unknown',
    );
    const byUser = bearer(answer.body.tokens.access_token);
    expect((await send(api, 'GET', `/v1/tokens/${jti}`, { headers: byUser })).status).toBe(403);
    expect((await send(api, 'GET', `/v1/tokens/${jti}`, {})).status).toBe(401);
  });

  test('T11: who writes Redis can neither revive a revoked token nor invent one, nor stop a batch', async () => {
    const { redis } = api.stores;
    const [revoked, live] = await Promise.all([signUp(), signUp()]);
    const [{ jti, fid }, liveClaims] = [revoked, live].map(({ answer }) =>
      decodeJwt(answer.body.tokens.access_token),
    ) as [Record<string, string>, Record<string, string>];
    const body = { family_id: fid, reason: 'test' };
    await send(api, 'POST', '/v1/tokens/revoke', { body, headers: basic(trusted) });
    await send(api, 'GET', `/v1/tokens/${jti}`, { headers: basic(trusted) });
    const written = (await redis.get(`sallyport:token:${jti}`)) as string;
    const loose = JSON.stringify({ ...JSON.parse(written.slice(written.indexOf('{'))), familyId: null });
    const forgeries = [loose, written.slice(0, written.indexOf('{')) + loose, '{}', '{', 'null'];
    for (const forged of forgeries) {
      await redis.set(`sallyport:token:${jti}`, forged, 60);
      // A genuine value under another id.
      await redis.set('sallyport:token:invented', (await redis.get(`sallyport:token:${liveClaims.jti}`)) as string, 60);
      const { status, body: batch } = await send(api, 'POST', '/v1/tokens/validate-batch', {
        headers: basic(trusted),
        body: { token_ids: [jti, 'invented', liveClaims.jti] },
      });
      expect([forged, status]).toEqual([forged, 200]);
      const unknown = { active: false, reason: 'unknown_id' };
      expect(batch.results).toEqual([unknown, unknown, expect.objectContaining({ active: true })]);
      expect((await send(api, 'GET', `/v1/tokens/${jti}`, { headers: basic(trusted) })).body.code).toBe(
        'token_unknown',
      );
    }
  });

  test('metadata holds no clear address or agent, and lives as long as the token', async () => {
    const { answer } = await signUp();
    const { jti } = decodeJwt(answer.body.tokens.access_token);
    // Asking by id sends first what is still waiting for company.
    await send(api, 'GET', `/v1/tokens/${jti}`, { headers: basic(trusted) });
    const text = (await api.stores.redis.get(`sallyport:token:${jti}`)) as string;
    expect(text).not.toContain('127.0.0.1');
    expect(JSON.parse(text.slice(text.indexOf('{'))).ipHash).toMatch(/^\d+\.[\w-]{22}$/);
  });
});

describe('revoke', () => {
  const revoke = (body: object, headers: Record<string, string>, copy = api) =>
    send(copy, 'POST', '/v1/tokens/revoke', { body: { reason: 'test', ...body }, headers });
  const inactive = async (token: string, reason: string) => {
    expect((await validate(token)).body).toEqual({ active: false, reason });
    await expect
      .poll(async () => (await validate(token, {}, other)).body, { interval: 20 })
      .toEqual({ active: false, reason });
  };

  test('A-TOK-05, T11: an own token is refused at once here and on another copy; the reason is kept', async () => {
    const { answer, userId } = await signUp();
    const token = answer.body.tokens.access_token as string;
    expect((await validate(token, {}, other)).body.active).toBe(true);
    const revoked = await revoke({ token, reason: 'stolen laptop' }, bearer(token));
    expect(revoked.status).toBe(200);
    await inactive(token, 'revoked');
    const { jti } = decodeJwt(token);
    const { rows } = await api.stores.pools.main.query(`SELECT * FROM revocations WHERE kind = 'jti' AND value = $1`, [
      jti,
    ]);
    expect(rows).toMatchObject([{ reason: 'stolen laptop', user_id: userId, epoch: revoked.body.epoch }]);
    const [row] = await auditRows(`type = 'token.revoked' AND target_id = $1`, [jti]);
    expect(row).toMatchObject({ outcome: 'ok', actor_id: userId, detail: { reason: 'stolen laptop' } });
    // The token is dead, so it can no longer ask; tokens:revoke gets the first revocation's number again.
    expect((await revoke({ token_id: jti }, basic(trusted))).body).toEqual(revoked.body);
  });

  test('the bearer’s own token id, session, family and user are its own; those of others are not', async () => {
    const kinds = {
      token_id: (login: Login) => decodeJwt(login.answer.body.tokens.access_token).jti as string,
      session_id: (login: Login) => login.sessionId,
      family_id: (login: Login) => decodeJwt(login.answer.body.tokens.access_token).fid as string,
      user_id: (login: Login) => login.userId,
    };
    const reasons = { token_id: 'revoked', session_id: 'session_ended', family_id: 'revoked', user_id: 'revoked' };
    for (const [kind, idOf] of Object.entries(kinds)) {
      const [me, victim] = await Promise.all([signUp(), signUp()]);
      const mine = me.answer.body.tokens.access_token as string;
      const theirs = victim.answer.body.tokens.access_token as string;
      const refused = await revoke({ [kind]: idOf(victim) }, bearer(mine));
      expect([kind, refused.status, refused.body.code]).toEqual([kind, 403, 'permission_missing']);
      expect((await validate(theirs)).body.active).toBe(true);
      expect((await revoke({ [kind]: idOf(me) }, bearer(mine))).status).toBe(200);
      await inactive(mine, reasons[kind as keyof typeof reasons]);
      const refresh = await send(api, 'POST', '/v1/tokens/refresh', {
        body: { refresh_token: me.answer.body.tokens.refresh_token },
      });
      expect([kind, refresh.status]).toEqual([kind, kind === 'token_id' ? 200 : 401]);
      expect((await validate(theirs)).body.active).toBe(true);
    }
  });

  test('what does not exist is refused to an ordinary user in the same words as what is another’s', async () => {
    const login = await signUp();
    const headers = bearer(login.answer.body.tokens.access_token);
    for (const kind of ['token_id', 'session_id', 'family_id', 'user_id', 'client_id']) {
      const { status, body } = await revoke({ [kind]: randomUUID() }, headers);
      expect([kind, status, body.code]).toEqual([kind, 403, 'permission_missing']);
    }
  });

  test('a refresh token given as token ends its login and the access tokens', async () => {
    const { answer } = await signUp();
    const { access_token, refresh_token } = answer.body.tokens;
    expect((await revoke({ token: refresh_token }, bearer(access_token))).status).toBe(200);
    await inactive(access_token, 'revoked');
    expect((await send(api, 'POST', '/v1/tokens/refresh', { body: { refresh_token } })).status).toBe(401);
  });

  test('ending a session ends its cookie too', async () => {
    const login = await signUp();
    await revoke({ session_id: login.sessionId }, basic(trusted));
    expect((await send(api, 'GET', '/api/auth/session', { cookie: login.cookie })).status).toBe(401);
    expect((await revoke({ session_id: login.sessionId }, basic(trusted))).status).toBe(200);
  });

  test('a client’s epoch ends everything issued through it, and only that', async () => {
    const { userId, answer } = await signUp();
    const client = await newClient(api, ['tokens:issue', 'demo:read']);
    await other.ports.access.load();
    const pair = await send(api, 'POST', '/v1/tokens', { headers: basic(client), body: { user_id: userId } });
    const credentials = await postForm(api, '/oauth2/token', { grant_type: 'client_credentials' }, basic(client));
    expect((await revoke({ client_id: client.clientId }, basic(trusted))).status).toBe(200);
    await inactive(pair.body.access_token, 'revoked');
    await inactive(credentials.body.access_token, 'revoked');
    expect((await validate(answer.body.tokens.access_token)).body.active).toBe(true);
  });

  test('a token that verifies nowhere is ended already; an unknown user or client is 404 to tokens:revoke', async () => {
    const { epoch } = (await revoke({ token: 'rubbish' }, basic(trusted))).body;
    expect(epoch).toBe(api.ports.revocations.state().epoch);
    expect((await revoke({ user_id: randomUUID() }, basic(trusted))).body.code).toBe('user_unknown');
    expect((await revoke({ client_id: randomUUID() }, basic(trusted))).body.code).toBe('client_unknown');
    expect((await revoke({ token_id: randomUUID() }, basic(trusted))).status).toBe(200);
    expect((await revoke({ family_id: 'not a uuid' }, basic(trusted))).status).toBe(200);
  });

  test('exactly one thing is named, with a reason', async () => {
    for (const body of [
      {},
      { token_id: 'a', user_id: 'b', reason: 'r' },
      { token_id: 'a' },
      { token_id: 'a', reason: '' },
    ]) {
      const { status } = await send(api, 'POST', '/v1/tokens/revoke', { body, headers: basic(trusted) });
      expect(status).toBe(400);
    }
  });
});

describe('statistics', () => {
  test('A-TOK-12: the figures match a scripted run', async () => {
    const read = async () => (await send(api, 'GET', '/v1/tokens/stats', { headers: basic(trusted) })).body;
    const before = await read();
    const people = await Promise.all([signUp(), signUp(), signUp()]);
    await postForm(api, '/oauth2/token', { grant_type: 'client_credentials' }, basic(trusted));
    const [rotated, replayed, revoked] = people as [Login, Login, Login];
    const refresh = (token: string) => send(api, 'POST', '/v1/tokens/refresh', { body: { refresh_token: token } });
    await refresh(rotated.answer.body.tokens.refresh_token);
    const first = replayed.answer.body.tokens.refresh_token;
    const second = (await refresh(first)).body.refresh_token;
    await refresh(second);
    expect((await refresh(first)).body.code).toBe('refresh_token_reused');
    const body = { session_id: revoked.sessionId, reason: 'test' };
    await send(api, 'POST', '/v1/tokens/revoke', { headers: basic(trusted), body });
    const tokenId = decodeJwt(rotated.answer.body.tokens.access_token).jti;
    await send(api, 'POST', '/v1/tokens/revoke', {
      headers: basic(trusted),
      body: { token_id: tokenId, reason: 'test' },
    });
    const after = await read();
    const difference = Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, (value as number) - before[name]]),
    );
    expect(difference).toEqual({ issued: 4, active: 1, refreshed: 3, revoked: 2, expired: 0, replays: 1 });
  });
});
