import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { claimsIn, refresh, verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { expectProblem, type Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { doneBy, openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(openAdminHarness);

const verdict = (token: string) => verdictOn({ api: harness.copy.url }, token);

describe('accounts', () => {
  test('are filtered by beginning of address, role, status and time', async () => {
    const mark = randomUUID().slice(0, 8);
    const insert = (name: string, more = '') =>
      harness.rows(
        `INSERT INTO users (id, email${more && ', "disabledAt"'}) VALUES ($1, $1 || '@find.test'${more}) RETURNING id`,
        [`${mark}-${name}`],
      );
    await insert('ann');
    await insert('bea', ', now()');
    await insert('cid');
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${`${mark}-cid`}, 'compliance')`;
    const found = async (query: string): Promise<string[]> => {
      const { body, text } = await harness.byAdmin('GET', `/v1/admin/users?email_prefix=${mark.toUpperCase()}${query}`);
      expect(body.users, text).toBeDefined();
      return body.users.map((user: Json) => user.id.slice(mark.length + 1)).sort();
    };
    expect([await found(''), await found('-a')]).toEqual([['ann', 'bea', 'cid'], ['ann']]);
    expect(await found('&disabled=true')).toEqual(['bea']);
    expect(await found('&disabled=false&role=user')).toEqual(['ann', 'cid']);
    expect(await found('&role=compliance')).toEqual(['cid']);
    expect(await found('&created_from=2099-01-01T00:00:00Z')).toEqual([]);
    for (const ever of ['0000-01-01T00:00:00Z', '2020-01-01T00:00:00%2B23:59'])
      expect(await found(`&created_from=${ever}&limit=100`), ever).toHaveLength(3);
    expect(await found('&created_to=0000-12-31T00:00:00Z')).toEqual([]);
    expect(await found('&created_from=2020-01-01T00:00:00Z&created_to=2099-01-01T00:00:00Z&limit=100')).toHaveLength(3);
    expect(await found('%25')).toEqual([]);
    expectProblem(await harness.byAdmin('GET', '/v1/admin/users?email_prefix=ab'), 400, 'request_invalid');
  });

  test('say why their user cannot sign in, as the command line does', async () => {
    const { id, email } = await newPerson(harness.copy);
    const why = async () => (await harness.byAdmin('GET', `/v1/admin/users/${id}/why`)).body;
    expect(await why()).toMatchObject({ user_id: id, cause: 'no_sign_in_method', refuses: true });
    await harness.byAdmin('POST', `/v1/admin/users/${id}/disable`, { reason });
    expect(await why()).toMatchObject({ email, cause: 'disabled', act: 'enable', since: expect.any(String) });
    expectProblem(await harness.byAdmin('GET', '/v1/admin/users/no-such-user/why'), 404, 'user_unknown');
  });

  test('are shown without password, token or epoch', async () => {
    const { id, email } = await newPerson(harness.copy, ['auditor']);
    const { body } = await harness.byAdmin('GET', `/v1/admin/users/${id}`);
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
      factors: { totp: false, passkeys: 0, recovery_codes_left: 0, owed: false },
    });
    expectProblem(await harness.byAdmin('GET', '/v1/admin/users/unknown'), 404, 'user_unknown');
  });

  test('disabling ends sessions, refresh and access tokens; enabling restores none; both record the reason', async () => {
    const person = await newPerson(harness.copy);
    const path = `/v1/admin/users/${person.id}`;
    const disabled = await harness.byAdmin('POST', `${path}/disable`, { reason });
    expect([disabled.status, disabled.body.sessions, disabled.body.logins]).toEqual([200, 0, 0]);
    expect(disabled.body.disabled_at).not.toBeNull();
    expect(await verdict(person.bearer)).toBe('revoked');
    expectProblem(await refresh({ api: harness.copy.url }, person.refreshToken), 401, 'session_ended');
    expect((await harness.byAdmin('POST', `${path}/disable`, { reason })).status).toBe(200);
    expect((await harness.byAdmin('POST', `${path}/enable`, { reason: 'cleared' })).body.disabled_at).toBeNull();
    expect(await verdict(person.bearer)).toBe('revoked');
    expect(await harness.events('user.disabled', person.id)).toEqual([doneBy(harness.admin, { reason })]);
    expect(await harness.events('user.enabled', person.id)).toEqual([doneBy(harness.admin, { reason: 'cleared' })]);
  });

  test('deleting removes everything of the account, and the event keeps the reason', async () => {
    const person = await newPerson(harness.copy);
    expect((await harness.byAdmin('DELETE', `/v1/admin/users/${person.id}?reason=asked%20for`)).status).toBe(204);
    expect(await verdict(person.bearer)).not.toBe('active');
    expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${person.id}`).toEqual([]);
    expect(await harness.events('user.deleted', person.id)).toEqual([doneBy(harness.admin, { reason: 'asked for' })]);
    expect(await harness.events('user.role_removed', person.id)).toEqual([]);
    expectProblem(await harness.byAdmin('DELETE', `/v1/admin/users/${person.id}?reason=x`), 404, 'user_unknown');
  });

  test('a granted role is in the next token and revokes nothing; a removed role revokes the existing tokens', async () => {
    const person = await newPerson(harness.copy);
    const path = `/v1/admin/users/${person.id}/roles/operator`;
    expect((await harness.byAdmin('PUT', path, { reason })).body.roles).toEqual(['operator', 'user']);
    expect(await verdict(person.bearer)).toBe('active');
    const next = await pairOf(harness.copy, person);
    expect(claimsIn(next.bearer).permissions).toContain('queues:manage');
    expect((await harness.as(next.bearer)('GET', '/v1/admin/sessions')).status).toBe(200);
    expect((await harness.byAdmin('DELETE', `${path}?reason=moved`)).body.roles).toEqual(['user']);
    expect(await verdict(next.bearer)).toBe('revoked');
    expect(await harness.events('user.role_granted', person.id)).toEqual([
      doneBy(harness.admin, { role: 'operator', reason }),
    ]);
    expect(await harness.events('user.role_removed', person.id)).toEqual([
      doneBy(harness.admin, { role: 'operator', reason: 'moved' }),
    ]);
    const ofNoRole = await harness.byAdmin('PUT', `/v1/admin/users/${person.id}/roles/unknown`, { reason });
    expectProblem(ofNoRole, 404, 'role_unknown');
    const ofNoUser = await harness.byAdmin('PUT', '/v1/admin/users/unknown/roles/auditor', { reason });
    expectProblem(ofNoUser, 404, 'user_unknown');
  });

  test('an old sign-in may read, and must step up before it changes anything', async () => {
    const stale = await pairOf(harness.copy, harness.admin, Math.floor(Date.now() / 1_000) - 3_600);
    expect((await harness.as(stale.bearer)('GET', '/v1/admin/users')).status).toBe(200);
    const answer = await harness.as(stale.bearer)('POST', `/v1/admin/users/${harness.admin.id}/enable`, {
      json: { reason },
    });
    expectProblem(answer, 403, 'step_up_required');
  });
});

describe('the last administrator', () => {
  /** Which of the two remains is only known afterwards. */
  let last: Person;
  beforeAll(() => {
    last = harness.admin;
  });

  test('cannot be disabled, deleted or demoted; of two who remove each other at once, one stays', async () => {
    const roles = () =>
      harness.rows`SELECT r.user_id FROM user_roles r JOIN users u ON u.id = r.user_id
        WHERE role = 'admin' AND "disabledAt" IS NULL`;
    expect(await roles()).toHaveLength(1);
    const own = `/v1/admin/users/${harness.admin.id}`;
    expectProblem(await harness.byAdmin('POST', `${own}/disable`, { reason }), 409, 'last_admin');
    expectProblem(await harness.byAdmin('DELETE', `${own}?reason=x`), 409, 'last_admin');
    expectProblem(await harness.byAdmin('DELETE', `${own}/roles/admin?reason=x`), 409, 'last_admin');
    expect((await harness.byAdmin('DELETE', `${own}/roles/auditor?reason=not%20held`)).status).toBe(200);
    const second = await newPerson(harness.copy, ['admin']);
    const answers = await Promise.all([
      harness.as(second.bearer)('POST', `${own}/disable`, { json: { reason } }),
      harness.byAdmin('DELETE', `/v1/admin/users/${second.id}/roles/admin?reason=x`),
    ]);
    expect(answers.map(({ status }) => status).sort()[0]).toBe(200);
    expect(answers.map(({ status }) => status).sort()[1]).toBeGreaterThan(400);
    expect(await roles()).toHaveLength(1);
    const [{ user_id: id }] = (await roles()) as [Json];
    const sessionId = id === last.id ? last.sessionId : second.sessionId;
    last = { ...last, id, sessionId, ...(await pairOf(harness.copy, { id, sessionId })) };
  });

  test('cannot delete itself; of two who delete themselves at once, one stays', async () => {
    const leave = (person: Person) => harness.as(person.bearer)('DELETE', '/api/auth/user', { json: {} });
    expectProblem(await leave(last), 409, 'last_admin');
    const two = [await newPerson(harness.copy, ['admin']), await newPerson(harness.copy, ['admin'])] as const;
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${last.id}`;
    const answers = await Promise.all(two.map(leave));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    last = two[answers.findIndex(({ status }) => status === 409)] as Person;
    expect((await harness.as(last.bearer)('GET', '/v1/admin/users')).status).toBe(200);
  });
});
