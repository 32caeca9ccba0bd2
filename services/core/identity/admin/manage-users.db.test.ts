import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken, userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { grantRole, removeRole } from './assign-role.ts';
import { deleteUser, disableUser, enableUser } from './disable-user.ts';
import { endUserSessions } from './end-user-sessions.ts';
import { inviteUser } from './invite-user.ts';
import { showUser } from './read-users.ts';

const reason = 'left the company';

const harness = opened(openPeopledHarness);
beforeEach(() => harness.rows`DELETE FROM user_roles WHERE role = 'admin'`);

const admin = () => harness.signedIn({ roles: ['admin'] });
const typesOf = async (id: string) => (await harness.eventsOf(id)).map(({ type }) => type);
const rolesOf = async (id: string) => (await harness.accountOf(id))?.roles;
const adminsLeft = async () => (await harness.rows`SELECT user_id FROM user_roles WHERE role = 'admin'`).length;

describe('a disabled account', () => {
  test('loses its sessions, and has none after it is enabled again; both acts are recorded with actor and reason', async () => {
    const [by, user] = [await admin(), await harness.signedIn()];
    const disabled = await disableUser(harness.deps, { user_id: user.id, reason }, by.caller);
    expect(disabled).toMatchObject({ id: user.id, disabled_at: expect.any(String), sessions: 0, logins: 0 });
    expect(await harness.deps.auth.findSession(user.cookie, true)).toBeNull();
    const enabled = await enableUser(harness.deps, { user_id: user.id, reason: 'came back' }, by.caller);
    expect(enabled).toMatchObject({ disabled_at: null, sessions: 0 });
    const events = await harness.eventsOf(user.id);
    const byAdmin = { actor_kind: 'user', actor_id: by.id };
    expect(events).toContainEqual(expect.objectContaining({ type: 'user.disabled', ...byAdmin, detail: { reason } }));
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'user.enabled', ...byAdmin, detail: { reason: 'came back' } }),
    );
  });

  test('has a revocation that names the rule that ended its tokens', async () => {
    const user = await harness.signedIn();
    await disableUser(harness.deps, { user_id: user.id, reason }, harness.system);
    const revoked = `SELECT reason, rule FROM revocations WHERE kind = 'user' AND value = $1`;
    expect(await harness.rows(revoked, [user.id])).toEqual([{ reason, rule: 'user_disabled' }]);
  });

  test('is recorded once if disabled twice', async () => {
    const { id: userId } = await harness.newUser();
    for (let n = 0; n < 2; n += 1) await disableUser(harness.deps, { user_id: userId, reason }, harness.system);
    expect((await typesOf(userId)).filter((type) => type === 'user.disabled')).toEqual(['user.disabled']);
  });
});

test('deleting an account ends its sessions and revokes its tokens', async () => {
  const user = await harness.signedIn();
  await deleteUser(harness.deps, { user_id: user.id, reason }, harness.system);
  expect([await harness.accountOf(user.id), await harness.sessionsOf(user.id)]).toEqual([undefined, 0]);
  expect(await typesOf(user.id)).toContain('user.deleted');
  expect(await harness.rows`SELECT 1 FROM revocations WHERE kind = 'user' AND value = ${user.id}`).toHaveLength(1);
});

describe('acting on a user with more rights than the caller is refused: rights_exceeded, and nothing changes', () => {
  test('to disable, enable or delete the account, or to remove a role', async () => {
    const [by, target] = [await harness.signedIn({ roles: ['operator'] }), await admin()];
    await admin();
    const given = { user_id: target.id, reason };
    const acts = [
      () => disableUser(harness.deps, given, by.caller),
      () => enableUser(harness.deps, given, by.caller),
      () => deleteUser(harness.deps, given, by.caller),
      () => removeRole(harness.deps, { ...given, role: 'admin' }, by.caller),
    ];
    for (const act of acts) expect(await outcomeOf(act())).toBe('rights_exceeded');
    expect(await harness.accountOf(target.id)).toMatchObject({ disabledAt: null, roles: ['admin', 'user'] });
    expect(await harness.sessionsOf(target.id)).toBe(1);
  });

  test('as is the grant of a role with rights that the caller lacks', async () => {
    const [by, target] = [await harness.signedIn({ roles: ['operator'] }), await harness.newUser()];
    const given = { user_id: target.id, reason, role: 'admin' };
    expect(await outcomeOf(grantRole(harness.deps, given, by.caller))).toBe('rights_exceeded');
    expect(await rolesOf(target.id)).toEqual(['user']);
  });
});

describe('an installation always keeps an administrator', () => {
  test.each([
    ['disabled', (userId: string) => disableUser(harness.deps, { user_id: userId, reason }, harness.system)],
    ['deleted', (userId: string) => deleteUser(harness.deps, { user_id: userId, reason }, harness.system)],
    [
      'removed from the role',
      (userId: string) => removeRole(harness.deps, { user_id: userId, reason, role: 'admin' }, harness.system),
    ],
  ])('the only one cannot be %s: last_admin; with another one they can', async (_what, act) => {
    const only = await admin();
    expect(await outcomeOf(act(only.id))).toBe('last_admin');
    expect(await rolesOf(only.id)).toEqual(['admin', 'user']);
    expect(await harness.sessionsOf(only.id)).toBe(1);
    await admin();
    expect(await outcomeOf(act(only.id))).toBe('ok');
  });

  test('a disabled administrator is not counted, and can be deleted', async () => {
    const [only, disabled] = [await admin(), await admin()];
    await disableUser(harness.deps, { user_id: disabled.id, reason }, harness.system);
    expect(await outcomeOf(deleteUser(harness.deps, { user_id: only.id, reason }, harness.system))).toBe('last_admin');
    expect(await outcomeOf(deleteUser(harness.deps, { user_id: disabled.id, reason }, harness.system))).toBe('ok');
  });

  test('of two administrators disabled concurrently, one stays', async () => {
    const [one, other] = [await admin(), await admin()];
    const acts = [one, other].map(({ id: userId }) =>
      outcomeOf(disableUser(harness.deps, { user_id: userId, reason }, harness.system)),
    );
    expect((await Promise.all(acts)).sort()).toEqual(['last_admin', 'ok']);
    const found =
      await harness.rows`SELECT 1 FROM users WHERE id = ANY (${[one.id, other.id]}) AND "disabledAt" IS NULL`;
    expect(found).toHaveLength(1);
  });

  test('another role can be removed from the only administrator', async () => {
    const only = await harness.newUser({ roles: ['admin', 'operator'] });
    const taken = await removeRole(harness.deps, { user_id: only.id, reason, role: 'operator' }, harness.system);
    expect([taken.roles, await adminsLeft()]).toEqual([['admin', 'user'], 1]);
  });
});

describe('a role', () => {
  test('when granted ends no session, and takes effect in the next request of a cached session', async () => {
    const [by, user] = [await admin(), await harness.signedIn()];
    expect(user.caller.roles).toEqual(['user']);
    const given = await grantRole(harness.deps, { user_id: user.id, reason, role: 'auditor' }, by.caller);
    expect(given).toMatchObject({ roles: ['auditor', 'user'], sessions: 1 });
    expect((await harness.callerOf(user)).roles).toEqual(['auditor', 'user']);
    const detail = { role: 'auditor', reason };
    expect(await harness.eventsOf(user.id)).toContainEqual(
      expect.objectContaining({ type: 'user.role_granted', actor_id: by.id, detail }),
    );
  });

  test('can be granted by the command line, which caches no sessions', async () => {
    const { id: userId } = await harness.newUser();
    const { auth: _auth, ...ports } = harness.deps;
    const given = await grantRole(ports, { user_id: userId, reason, role: 'auditor' }, harness.system);
    expect(given.roles).toEqual(['auditor', 'user']);
  });

  test('when granted twice is stored and recorded once', async () => {
    const { id: userId } = await harness.newUser();
    for (let n = 0; n < 2; n += 1)
      await grantRole(harness.deps, { user_id: userId, reason, role: 'auditor' }, harness.system);
    expect(await rolesOf(userId)).toEqual(['auditor', 'user']);
    expect((await typesOf(userId)).filter((type) => type === 'user.role_granted')).toHaveLength(1);
  });

  test('when removed ends the tokens issued before, and the revocation names the rule', async () => {
    const user = await harness.signedIn({ roles: ['auditor'] });
    const shown = await removeRole(harness.deps, { user_id: user.id, reason, role: 'auditor' }, harness.system);
    expect(shown).toMatchObject({ roles: ['user'], logins: 0 });
    const revoked = `SELECT reason, rule FROM revocations WHERE kind = 'user' AND value = $1`;
    expect(await harness.rows(revoked, [user.id])).toEqual([{ reason, rule: 'role_removed' }]);
    expect(await typesOf(user.id)).toContain('user.role_removed');
  });

  test('when unknown is not granted: role_unknown', async () => {
    const { id: userId } = await harness.newUser();
    const given = { user_id: userId, reason, role: 'emperor' };
    expect(await outcomeOf(grantRole(harness.deps, given, harness.system))).toBe('role_unknown');
    expect(await rolesOf(userId)).toEqual(['user']);
  });
});

describe('an unknown account', () => {
  test('is user_unknown for every act', async () => {
    const given = { user_id: randomUUID(), reason };
    const role = { ...given, role: 'auditor' };
    const acts = [
      disableUser(harness.deps, given, harness.system),
      enableUser(harness.deps, given, harness.system),
      deleteUser(harness.deps, given, harness.system),
      endUserSessions(harness.deps, given, harness.system),
      grantRole(harness.deps, role, harness.system),
      removeRole(harness.deps, role, harness.system),
      showUser(harness.deps, given),
    ];
    expect(await Promise.all(acts.map(outcomeOf))).toEqual(acts.map(() => 'user_unknown'));
  });

  test('is also an account that is deleted while the act waits for it', async () => {
    const { id } = await harness.newUser();
    const act = () => outcomeOf(disableUser(harness.deps, { user_id: id, reason }, harness.system));
    expect(await overtaken(harness.pool, id, 'DELETE FROM users WHERE id = $1', act)).toBe('user_unknown');
  });
});

describe('the sessions of a user', () => {
  test('all end together with every token family and token; the count is returned', async () => {
    const [user, other] = [await harness.signedIn(), await harness.signedIn()];
    const second = await openSessionFor({ ports: harness.deps }, user.id);
    expect(await endUserSessions(harness.deps, { user_id: user.id, reason }, harness.system)).toEqual({ sessions: 2 });
    expect(await showUser(harness.deps, { user_id: user.id })).toMatchObject({ sessions: 0, logins: 0 });
    const ended = `SELECT target_id FROM audit_outbox WHERE type = 'session.ended' AND detail ->> 'reason' = $1 AND target_id = ANY ($2)`;
    expect(await harness.rows(ended, [reason, [user.sessionId, second.sessionId]])).toHaveLength(2);
    expect(await harness.sessionsOf(other.id)).toBe(1);
    expect(await endUserSessions(harness.deps, { user_id: user.id, reason }, harness.system)).toEqual({ sessions: 0 });
  });

  test('include a session opened while they are being ended', async () => {
    const user = await harness.signedIn();
    const begin = `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES (gen_random_uuid(), $1, gen_random_uuid(), now() + interval '1 hour')`;
    const end = () => endUserSessions(harness.deps, { user_id: user.id, reason }, harness.system);
    expect(await whileItWaits(harness.pool, [userHeld(user.id), [begin, [user.id]]], end)).toEqual({ sessions: 2 });
    expect(await harness.sessionsOf(user.id)).toBe(0);
  });
});

/** A client of this user: an agent, or one whose secret the user has set. */
async function newClient(userId: string, kind: 'agent' | 'client'): Promise<string> {
  const id = `grants-${kind}`;
  await harness.rows`INSERT INTO oauth_clients (id, "clientId", name, credential_setters)
    VALUES (${id}, ${id}, ${id}, ${kind === 'client' ? [userId] : []})`;
  if (kind === 'agent')
    await harness.rows`INSERT INTO agents (client_id, owner_id, expires_at)
      VALUES (${id}, ${userId}, now() + interval '1 day')`;
  return id;
}

describe('a role of sign-off', () => {
  test('is not granted to oneself by an administrator who has every right, but by another one', async () => {
    const [by, other] = [await admin(), await admin()];
    const given = { user_id: by.id, reason, role: 'qa' };
    expect(await outcomeOf(grantRole(harness.deps, given, by.caller))).toBe('role_self_grant');
    expect(await rolesOf(by.id)).not.toContain('qa');
    expect(await outcomeOf(grantRole(harness.deps, { ...given, role: 'auditor' }, by.caller))).toBe('ok');
    expect(await outcomeOf(grantRole(harness.deps, given, other.caller))).toBe('ok');
    expect(await rolesOf(by.id)).toContain('qa');
  });

  test.each(['agent', 'client'] as const)('nor through an own %s', async (kind) => {
    const by = await admin();
    const caller = clientCaller(await newClient(by.id, kind), [...by.caller.permissions]);
    expect(await outcomeOf(grantRole(harness.deps, { user_id: by.id, reason, role: 'qa' }, caller))).toBe(
      'role_self_grant',
    );
    const { id: userId } = await harness.newUser();
    expect(await outcomeOf(grantRole(harness.deps, { user_id: userId, reason, role: 'qa' }, caller))).toBe('ok');
  });

  test('nor to an own account with the same mailbox, also by an invitation', async () => {
    const [by, second, invited] = [await admin(), await harness.newUser(), await harness.newUser()];
    await harness.rows`UPDATE users SET email = 'twice+' || id || '@mail.test' WHERE id = ANY (${[by.id, second.id, invited.id]})`;
    expect(await outcomeOf(grantRole(harness.deps, { user_id: second.id, reason, role: 'qa' }, by.caller))).toBe(
      'role_self_grant',
    );
    for (const hash of [undefined, harness.digest]) {
      const invitation = { email: 'twice+new@mail.test', roles: ['qa'], reason, password_hash: hash };
      expect(await outcomeOf(inviteUser(harness.deps, invitation, by.caller))).toBe('role_self_grant');
    }
    const insert = `INSERT INTO invitations (id, user_id, roles) SELECT gen_random_uuid(), $2, '{qa}'
      FROM (SELECT set_config('sallyport.actor_kind', 'user', true), set_config('sallyport.actor_id', $1, true)) actor`;
    await expect(harness.rows(insert, [by.id, invited.id])).rejects.toThrow('do not invite themselves');
  });

  test('is granted by the operator of the command line', async () => {
    const { id: userId } = await harness.newUser();
    expect(await outcomeOf(grantRole(harness.deps, { user_id: userId, reason, role: 'qa' }, harness.system))).toBe(
      'ok',
    );
  });

  test('is not stored for the actor, whatever writes the row', async () => {
    const { id } = await harness.newUser();
    const insert = `INSERT INTO user_roles (user_id, role) SELECT $1, 'qa'
      FROM (SELECT set_config('sallyport.actor_kind', 'user', true), set_config('sallyport.actor_id', $1, true)) actor`;
    await expect(harness.rows(insert, [id])).rejects.toThrow('do not grant themselves');
  });
});
