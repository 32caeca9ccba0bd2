import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountKeyOf } from '../../domain/identity/guard/login-counters.ts';
import { API_URL, type ApiCopy } from '../../platform/testing/api-copy.ts';
import { claimsIn, refresh, signUp, verdictOn } from '../../platform/testing/flows/flows.ts';
import { newPerson, type Person, pairOf } from '../../platform/testing/flows/people.ts';
import { expectProblem, type Json, type Received, type Sent, send } from '../../platform/testing/http-client.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/worlds/api-world.ts';

let world: ApiWorld;
let copy: ApiCopy;
let admin: Person;
beforeAll(async () => {
  world = await openApiWorld();
  copy = await world.startCopy();
  admin = await newPerson(copy, ['admin']);
});
afterAll(() => world?.close());

const as =
  ({ bearer }: { readonly bearer: string }) =>
  (method: string, path: string, sent: Sent = {}): Promise<Received> =>
    send(copy.url, method, path, { bearer, ...sent });
const byAdmin = (method: string, path: string, json?: object): Promise<Received> =>
  as(admin)(method, path, json === undefined ? {} : { json });
const reason = 'because of the test';
const verdict = (token: string) => verdictOn({ api: copy.url }, token);
const events = (type: string, target: string) =>
  world.rows(`SELECT actor_id, detail FROM audit_outbox WHERE type = $1 AND target_id = $2 ORDER BY id`, [
    type,
    target,
  ]);

describe('accounts', () => {
  test('are listed newest first, every one once, by pages of at most a hundred', async () => {
    const people = [];
    for (let index = 0; index < 5; index += 1) people.push(await newPerson(copy));
    const seen: string[] = [];
    let path = '/v1/admin/users?limit=2';
    for (;;) {
      const { body, status } = await byAdmin('GET', path);
      expect(status).toBe(200);
      seen.push(...body.users.map((user: Json) => user.id));
      if (body.next === null) break;
      path = `/v1/admin/users?limit=2&cursor=${body.next}`;
    }
    const inOrder = await world.rows('SELECT id FROM users ORDER BY "createdAt" DESC, id DESC');
    expect(seen).toEqual(inOrder.map(({ id }) => id));
    expect(seen).toEqual(expect.arrayContaining(people.map(({ id }) => id)));
    expectProblem(await byAdmin('GET', '/v1/admin/users?limit=101'), 400, 'request_invalid');
    expectProblem(await byAdmin('GET', '/v1/admin/users?cursor=bm8'), 400, 'cursor_invalid');
  });

  test('are found by beginning of address, role, standing and time', async () => {
    const mark = randomUUID().slice(0, 8);
    const insert = (name: string, more = '') =>
      world.rows(
        `INSERT INTO users (id, email${more && ', "disabledAt"'}) VALUES ($1, $1 || '@find.test'${more}) RETURNING id`,
        [`${mark}-${name}`],
      );
    await insert('ann');
    await insert('bea', ', now()');
    await insert('cid');
    await world.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'compliance')`, [`${mark}-cid`]);
    const found = async (query: string): Promise<string[]> => {
      const { body, text } = await byAdmin('GET', `/v1/admin/users?email_prefix=${mark.toUpperCase()}${query}`);
      expect(body.users, text).toBeDefined();
      return body.users.map((user: Json) => user.id.slice(mark.length + 1)).sort();
    };
    expect(await found('')).toEqual(['ann', 'bea', 'cid']);
    expect(await found('-a')).toEqual(['ann']);
    expect(await found('&disabled=true')).toEqual(['bea']);
    expect(await found('&disabled=false&role=user')).toEqual(['ann', 'cid']);
    expect(await found('&role=compliance')).toEqual(['cid']);
    expect(await found('&created_from=2099-01-01T00:00:00Z')).toEqual([]);
    expect(await found('&created_from=2020-01-01T00:00:00Z&created_to=2099-01-01T00:00:00Z&limit=100')).toHaveLength(3);
    expect(await found('%25')).toEqual([]);
    expectProblem(await byAdmin('GET', '/v1/admin/users?email_prefix=ab'), 400, 'request_invalid');
  });

  test('one is shown without its password, token or epoch', async () => {
    const { id, email } = await newPerson(copy, ['auditor']);
    const { body } = await byAdmin('GET', `/v1/admin/users/${id}`);
    expect(body).toEqual({
      id,
      email,
      name: null,
      email_verified_at: null,
      roles: ['auditor', 'user'],
      invited_roles: [],
      disabled_at: null,
      created_at: expect.any(String),
      updated_at: expect.any(String),
      sessions: 1,
      logins: 1,
      last_login_at: expect.any(String),
      password_changed_at: null,
      failed_logins: 0,
      locked_until: null,
      password_closed: false,
      factors: { totp: false, passkeys: 0, recovery_codes_left: 0 },
    });
    expectProblem(await byAdmin('GET', '/v1/admin/users/nobody'), 404, 'user_unknown');
  });

  test('C-CRD-05 whoever helps its owner sees locks, wrong passwords, factors and times of an account', async () => {
    const { id, email } = await newPerson(copy);
    const shown = async (): Promise<Json> => (await byAdmin('GET', `/v1/admin/users/${id}`)).body;
    const key = accountKeyOf(copy.ports, email);
    await world.rows(
      `INSERT INTO login_failures (key, failures, user_id, locked_until) VALUES ($1, 7, $2, now() + interval '1 hour')`,
      [key, id],
    );
    const locked = await shown();
    expect(locked).toMatchObject({ failed_logins: 7, password_closed: false });
    expect(Date.parse(locked.locked_until) - Date.now()).toBeGreaterThan(3_500_000);
    await world.rows('UPDATE login_failures SET failures = 100, locked_until = NULL WHERE key = $1', [key]);
    expect(await shown()).toMatchObject({ failed_logins: 100, locked_until: null, password_closed: true });
    await world.rows(
      `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft") VALUES ($1, $1, 'SECRET-ONE', 'CODES', true, 8)`,
      [id],
    );
    await world.rows(
      `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
       VALUES ($1, $1, 'PUBLIC', $1, 0, 'singleDevice', false)`,
      [id],
    );
    await world.rows(
      `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $1, 'credential', $1, 'DIGEST')`,
      [id],
    );
    const whole = await shown();
    expect(whole).toMatchObject({ factors: { totp: true, passkeys: 1, recovery_codes_left: 8 } });
    expect(Date.parse(whole.password_changed_at)).toBeGreaterThan(Date.now() - 600_000);
    expect(JSON.stringify(whole)).not.toMatch(/SECRET-ONE|CODES|PUBLIC|DIGEST|account:/);
  });

  test('U7: disabling ends sessions, refresh and access tokens; enabling revives none; both say why', async () => {
    const person = await newPerson(copy);
    const path = `/v1/admin/users/${person.id}`;
    const disabled = await byAdmin('POST', `${path}/disable`, { reason });
    expect([disabled.status, disabled.body.sessions, disabled.body.logins]).toEqual([200, 0, 0]);
    expect(disabled.body.disabled_at).not.toBeNull();
    expect(await verdict(person.bearer)).toBe('revoked');
    expectProblem(await refresh({ api: copy.url }, person.refreshToken), 401, 'session_ended');
    expect((await byAdmin('POST', `${path}/disable`, { reason })).status).toBe(200);
    expect((await byAdmin('POST', `${path}/enable`, { reason: 'cleared' })).body.disabled_at).toBeNull();
    expect(await verdict(person.bearer)).toBe('revoked');
    expect(await events('user.disabled', person.id)).toEqual([{ actor_id: admin.id, detail: { reason } }]);
    expect(await events('user.enabled', person.id)).toEqual([{ actor_id: admin.id, detail: { reason: 'cleared' } }]);
  });

  test('deleting takes everything along, and the event keeps the reason', async () => {
    const person = await newPerson(copy);
    expect((await byAdmin('DELETE', `/v1/admin/users/${person.id}?reason=asked%20for`)).status).toBe(204);
    expect(await verdict(person.bearer)).not.toBe('active');
    expect(await world.rows('SELECT 1 FROM sessions WHERE "userId" = $1', [person.id])).toEqual([]);
    expect(await events('user.deleted', person.id)).toEqual([{ actor_id: admin.id, detail: { reason: 'asked for' } }]);
    expect(await events('user.role_removed', person.id)).toEqual([]);
    expectProblem(await byAdmin('DELETE', `/v1/admin/users/${person.id}?reason=x`), 404, 'user_unknown');
  });

  test('C-USR-08: a role given is in the next token and ends nothing; one taken away ends the tokens there are', async () => {
    const person = await newPerson(copy);
    const path = `/v1/admin/users/${person.id}/roles/operator`;
    expect((await byAdmin('PUT', path, { reason })).body.roles).toEqual(['operator', 'user']);
    expect(await verdict(person.bearer)).toBe('active');
    const next = await pairOf(copy, person);
    expect(claimsIn(next.bearer).permissions).toContain('queues:manage');
    expect((await as(next)('GET', '/v1/admin/sessions')).status).toBe(200);
    expect((await byAdmin('DELETE', `${path}?reason=moved`)).body.roles).toEqual(['user']);
    expect(await verdict(next.bearer)).toBe('revoked');
    expect(await events('user.role_granted', person.id)).toEqual([
      { actor_id: admin.id, detail: { role: 'operator', reason } },
    ]);
    expect(await events('user.role_removed', person.id)).toEqual([
      { actor_id: admin.id, detail: { role: 'operator', reason: 'moved' } },
    ]);
    expectProblem(await byAdmin('PUT', `/v1/admin/users/${person.id}/roles/nobody`, { reason }), 404, 'role_unknown');
    expectProblem(await byAdmin('PUT', '/v1/admin/users/nobody/roles/auditor', { reason }), 404, 'user_unknown');
  });

  test('a role given is believed of a cookie that was read before', async () => {
    const login = await signUp({ api: copy.url });
    const asks = () => send(copy.url, 'GET', '/v1/admin/clients', { cookie: login.cookie });
    expectProblem(await asks(), 403, 'permission_missing');
    await byAdmin('PUT', `/v1/admin/users/${login.id}/roles/operator`, { reason });
    expect((await asks()).status).toBe(200);
  });

  test('API5: whoever manages accounts gives no role and rules no account above their own', async () => {
    await byAdmin('POST', '/v1/admin/roles', {
      name: 'user-keeper',
      description: 'x',
      permissions: ['users:manage', 'users:read'],
      reason,
    });
    const keeper = await newPerson(copy, ['user-keeper']);
    const other = await newPerson(copy);
    const json = { reason };
    expect((await as(keeper)('POST', `/v1/admin/users/${other.id}/disable`, { json })).status).toBe(200);
    for (const [method, path, sent] of [
      ['PUT', `/v1/admin/users/${keeper.id}/roles/admin`, { json }],
      ['PUT', `/v1/admin/users/${other.id}/roles/operator`, { json }],
      ['POST', `/v1/admin/users/${admin.id}/disable`, { json }],
      ['DELETE', `/v1/admin/users/${admin.id}?reason=x`, {}],
      ['DELETE', `/v1/admin/users/${admin.id}/roles/admin?reason=x`, {}],
    ] as const)
      expectProblem(await as(keeper)(method, path, sent), 403, 'rights_exceeded');
    expect(await verdict(admin.bearer)).toBe('active');
  });

  test('a login that is not fresh may look, and must prove itself before it changes anything (U8)', async () => {
    const stale = await pairOf(copy, admin, Math.floor(Date.now() / 1_000) - 3_600);
    expect((await as(stale)('GET', '/v1/admin/users')).status).toBe(200);
    const answer = await as(stale)('POST', `/v1/admin/users/${admin.id}/enable`, { json: { reason } });
    expectProblem(answer, 403, 'step_up_required');
    admin = { ...admin, ...(await pairOf(copy, admin)) };
  });
});

describe('the last administrator', () => {
  test('is neither disabled, deleted nor made less; of two who end each other at once one stays', async () => {
    const roles = () =>
      world.rows(
        `SELECT r.user_id FROM user_roles r JOIN users u ON u.id = r.user_id WHERE role = 'admin' AND "disabledAt" IS NULL`,
      );
    expect(await roles()).toHaveLength(1);
    const own = `/v1/admin/users/${admin.id}`;
    expectProblem(await byAdmin('POST', `${own}/disable`, { reason }), 409, 'last_admin');
    expectProblem(await byAdmin('DELETE', `${own}?reason=x`), 409, 'last_admin');
    expectProblem(await byAdmin('DELETE', `${own}/roles/admin?reason=x`), 409, 'last_admin');
    expect((await byAdmin('DELETE', `${own}/roles/auditor?reason=not%20held`)).status).toBe(200);
    const second = await newPerson(copy, ['admin']);
    const answers = await Promise.all([
      as(second)('POST', `${own}/disable`, { json: { reason } }),
      byAdmin('DELETE', `/v1/admin/users/${second.id}/roles/admin?reason=x`),
    ]);
    expect(answers.map(({ status }) => status).sort()[0]).toBe(200);
    expect(answers.map(({ status }) => status).sort()[1]).toBeGreaterThan(400);
    expect(await roles()).toHaveLength(1);
    const [{ user_id: id }] = (await roles()) as [Json];
    const sessionId = id === admin.id ? admin.sessionId : second.sessionId;
    admin = { ...admin, id, sessionId, ...(await pairOf(copy, { id, sessionId })) };
  });

  test('does not delete itself; of two who delete themselves at once one stays', async () => {
    const leave = (person: Person) => as(person)('DELETE', '/api/auth/user', { json: {} });
    expectProblem(await leave(admin), 409, 'last_admin');
    const two = [await newPerson(copy, ['admin']), await newPerson(copy, ['admin'])] as const;
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [admin.id]);
    const answers = await Promise.all(two.map(leave));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    admin = two[answers.findIndex(({ status }) => status === 409)] as Person;
    expect((await byAdmin('GET', '/v1/admin/users')).status).toBe(200);
  });
});

describe('sessions', () => {
  test('those of a user are listed with the logins of each, and no token among them', async () => {
    const person = await newPerson(copy);
    const { body, text } = await byAdmin('GET', `/v1/admin/sessions?user_id=${person.id}`);
    expect(body).toEqual({
      sessions: [
        {
          id: person.sessionId,
          user_id: person.id,
          created_at: expect.any(String),
          expires_at: expect.any(String),
          ip_address: null,
          user_agent: null,
          logins: [expect.objectContaining({ family_id: claimsIn(person.bearer).fid, client_id: 'sallyport' })],
        },
      ],
      next: null,
    });
    expect(text).not.toContain(person.refreshToken.slice(0, 24));
    const at = async (filter: string): Promise<unknown> =>
      (await byAdmin('GET', `/v1/admin/sessions?${filter}`)).body.sessions.map(({ id }: { id: string }) => id);
    for (const user of ['', `&user_id=${person.id}`]) {
      expect(await at(`client_id=sallyport${user}`)).toContain(person.sessionId);
      expect(await at(`client_id=another${user}`)).toEqual([]);
    }
    const all = await byAdmin('GET', '/v1/admin/sessions?limit=1');
    expect(all.body.sessions[0].id).toBe(person.sessionId);
    const next = await byAdmin('GET', `/v1/admin/sessions?limit=1&cursor=${all.body.next}`);
    expect(next.body.sessions[0].id).not.toBe(person.sessionId);
  });

  test('an operator ends one, or all of a user, with a reason that the audit log keeps', async () => {
    const operator = await newPerson(copy, ['operator']);
    const person = await newPerson(copy);
    const ended = await as(operator)('DELETE', `/v1/admin/sessions/${person.sessionId}?reason=stolen`);
    expect(ended.status).toBe(204);
    expect(await verdict(person.bearer)).toBe('session_ended');
    expect(await events('session.ended', person.sessionId)).toEqual([
      { actor_id: operator.id, detail: { user_id: person.id, reason: 'stolen' } },
    ]);
    expectProblem(
      await as(operator)('DELETE', `/v1/admin/sessions/${person.sessionId}?reason=x`),
      404,
      'session_unknown',
    );
    const again = await newPerson(copy);
    const all = await as(operator)('POST', `/v1/admin/users/${again.id}/sessions/end`, { json: { reason } });
    expect([all.status, all.body]).toEqual([200, { sessions: 1 }]);
    expect(await verdict(again.bearer)).not.toBe('active');
    expectProblem(await refresh({ api: copy.url }, again.refreshToken), 401, 'session_ended');
    expectProblem(
      await as(operator)('POST', '/v1/admin/users/nobody/sessions/end', { json: { reason } }),
      404,
      'user_unknown',
    );
  });

  test('one’s own are listed and ended; somebody else’s is not there (A1)', async () => {
    const person = await newPerson(copy);
    const stranger = await newPerson(copy, ['operator']);
    const { body } = await as(person)('GET', '/v1/sessions');
    expect(body.sessions).toMatchObject([{ id: person.sessionId, current: true }]);
    expectProblem(await as(stranger)('DELETE', `/v1/sessions/${person.sessionId}`), 404, 'session_unknown');
    expectProblem(await as(stranger)('DELETE', '/v1/sessions/nothing'), 404, 'session_unknown');
    expect(await verdict(person.bearer)).toBe('active');
    expect((await as(person)('DELETE', `/v1/sessions/${person.sessionId}`)).status).toBe(204);
    expect(await verdict(person.bearer)).toBe('session_ended');
    expect(await events('session.ended', person.sessionId)).toEqual([
      { actor_id: person.id, detail: { user_id: person.id, reason: 'ended_by_user' } },
    ]);
  });

  test('a token given to another client does not manage the account', async () => {
    const person = await newPerson(copy);
    const partner = await world.newClient(['tokens:issue']);
    const pair = await send(copy.url, 'POST', '/v1/tokens', { basic: partner, json: { user_id: person.id } });
    const bearer = pair.body.access_token;
    expectProblem(await as({ bearer })('GET', '/v1/sessions'), 403, 'permission_missing');
    expectProblem(await as({ bearer })('DELETE', `/v1/sessions/${person.sessionId}`), 403, 'permission_missing');
  });

  test('U9: the cookie may write from pages of our own alone', async () => {
    const login = await signUp({ api: copy.url });
    await byAdmin('PUT', `/v1/admin/users/${login.id}/roles/operator`, { reason });
    const victim = await newPerson(copy);
    const path = `/v1/admin/sessions/${victim.sessionId}?reason=x`;
    for (const headers of [{ origin: 'https://evil.test' }, { origin: 'null' }, {}] as Record<string, string>[])
      expectProblem(await send(copy.url, 'DELETE', path, { cookie: login.cookie, headers }), 403, 'origin_refused');
    expect(await verdict(victim.bearer)).toBe('active');
    expect((await send(copy.url, 'DELETE', path, { cookie: login.cookie, headers: { origin: API_URL } })).status).toBe(
      204,
    );
  });
});

describe('Idempotency-Key', () => {
  const once = (path: string, key: string, json: object) =>
    send(copy.url, 'POST', path, { bearer: admin.bearer, json, headers: { 'idempotency-key': key } });

  test.each<[string, string, object, string]>([
    [
      'role',
      '/v1/admin/roles',
      { name: 'made-once', description: 'x', permissions: [] },
      `SELECT 1 FROM roles WHERE name = 'made-once'`,
    ],
    [
      'client',
      '/v1/admin/clients',
      { name: 'Made once', grant_types: ['client_credentials'] },
      `SELECT 1 FROM oauth_clients WHERE name = 'Made once'`,
    ],
  ])('twenty requests at once with one key make one %s and get one answer', async (_kind, path, body, rows) => {
    const key = randomUUID();
    const json = { ...body, reason };
    const answers = await Promise.all(Array.from({ length: 20 }, () => once(path, key, json)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await world.rows(rows)).toHaveLength(1);
    expectProblem(await once(path, key, { ...json, reason: 'another' }), 422, 'idempotency_key_reused');
    const secret = answers[0]?.body.client_secret;
    const kept = await world.rows(`SELECT encode(response, 'escape') AS response FROM idempotency_keys`);
    if (secret !== undefined) expect(JSON.stringify(kept)).not.toContain(secret);
  });

  test('every administrative POST that answers 201 honours it', () => {
    const creating = copy.bound.filter(
      ({ method, path, responses }) => method === 'POST' && path.startsWith('/v1/') && 201 in responses,
    );
    expect(creating.length).toBeGreaterThanOrEqual(4);
    expect(creating.filter(({ idempotency }) => idempotency === undefined).map(({ operation }) => operation)).toEqual(
      [],
    );
  });
});
