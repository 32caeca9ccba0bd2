import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { logIn } from '#testing/flows/signed-in.ts';
import { openPeopledWorld, type PeopledWorld } from '#testing/harness/peopled-world.ts';
import { outcomeOf } from '#testing/outcome.ts';
import { overtaken, userHeld, whileItWaits } from '#testing/overtaken.ts';
import { grantRole, removeRole } from './assign-role.ts';
import { deleteUser, disableUser, enableUser } from './disable-user.ts';
import { endUserSessions } from './end-user-sessions.ts';
import { showUser } from './read-users.ts';

const reason = 'left the company';

let world: PeopledWorld;
beforeAll(async () => {
  world = await openPeopledWorld();
});
afterAll(() => world?.close());
beforeEach(() => world.rows(`DELETE FROM user_roles WHERE role = 'admin'`));

const admin = () => world.signedIn({ roles: ['admin'] });
const typesOf = async (id: string) => (await world.eventsOf(id)).map(({ type }) => type);
const rolesOf = async (id: string) => (await world.accountOf(id))?.roles;
const adminsLeft = async () => (await world.rows(`SELECT user_id FROM user_roles WHERE role = 'admin'`)).length;

describe('an account that is disabled', () => {
  test('loses its sessions and keeps none after it is enabled again; both are recorded with who did it and why', async () => {
    const [by, user] = [await admin(), await world.signedIn()];
    const disabled = await disableUser(world.deps, { userId: user.id, reason }, by.caller);
    expect(disabled).toMatchObject({ id: user.id, disabled_at: expect.any(String), sessions: 0, logins: 0 });
    expect(await world.deps.auth.findSession(user.cookie, true)).toBeNull();
    const enabled = await enableUser(world.deps, { userId: user.id, reason: 'came back' }, by.caller);
    expect(enabled).toMatchObject({ disabled_at: null, sessions: 0 });
    const told = await world.eventsOf(user.id);
    const byAdmin = { actor_kind: 'user', actor_id: by.id };
    expect(told).toContainEqual(expect.objectContaining({ type: 'user.disabled', ...byAdmin, detail: { reason } }));
    expect(told).toContainEqual(
      expect.objectContaining({ type: 'user.enabled', ...byAdmin, detail: { reason: 'came back' } }),
    );
  });

  test('says in its revocation by which rule its tokens ended', async () => {
    const user = await world.signedIn();
    await disableUser(world.deps, { userId: user.id, reason }, world.system);
    const revoked = `SELECT reason, rule FROM revocations WHERE kind = 'user' AND value = $1`;
    expect(await world.rows(revoked, [user.id])).toEqual([{ reason, rule: 'user_disabled' }]);
  });

  test('twice is recorded once', async () => {
    const { id: userId } = await world.somebody();
    for (let n = 0; n < 2; n += 1) await disableUser(world.deps, { userId, reason }, world.system);
    expect((await typesOf(userId)).filter((type) => type === 'user.disabled')).toEqual(['user.disabled']);
  });
});

test('an account that is deleted takes its sessions with it, and its tokens are revoked', async () => {
  const user = await world.signedIn();
  await deleteUser(world.deps, { userId: user.id, reason }, world.system);
  expect([await world.accountOf(user.id), await world.sessionsOf(user.id)]).toEqual([undefined, 0]);
  expect(await typesOf(user.id)).toContain('user.deleted');
  expect(await world.rows(`SELECT 1 FROM revocations WHERE kind = 'user' AND value = $1`, [user.id])).toHaveLength(1);
});

describe('nobody acts on somebody with more rights than their own: rights_exceeded, and nothing changes', () => {
  test('to disable, enable, delete, or take a role away', async () => {
    const [by, target] = [await world.signedIn({ roles: ['operator'] }), await admin()];
    await admin();
    const given = { userId: target.id, reason };
    const acts = [
      () => disableUser(world.deps, given, by.caller),
      () => enableUser(world.deps, given, by.caller),
      () => deleteUser(world.deps, given, by.caller),
      () => removeRole(world.deps, { ...given, role: 'admin' }, by.caller),
    ];
    for (const act of acts) expect(await outcomeOf(act())).toBe('rights_exceeded');
    expect(await world.accountOf(target.id)).toMatchObject({ disabledAt: null, roles: ['admin', 'user'] });
    expect(await world.sessionsOf(target.id)).toBe(1);
  });

  test('nor to give a role with rights that the giver lacks', async () => {
    const [by, target] = [await world.signedIn({ roles: ['operator'] }), await world.somebody()];
    const given = { userId: target.id, reason, role: 'admin' };
    expect(await outcomeOf(grantRole(world.deps, given, by.caller))).toBe('rights_exceeded');
    expect(await rolesOf(target.id)).toEqual(['user']);
  });
});

describe('an installation keeps an administrator', () => {
  test.each([
    ['disabled', (userId: string) => disableUser(world.deps, { userId, reason }, world.system)],
    ['deleted', (userId: string) => deleteUser(world.deps, { userId, reason }, world.system)],
    [
      'put out of the role',
      (userId: string) => removeRole(world.deps, { userId, reason, role: 'admin' }, world.system),
    ],
  ])('the only one is not %s: last_admin; beside another one they may be', async (_what, act) => {
    const only = await admin();
    expect(await outcomeOf(act(only.id))).toBe('last_admin');
    expect(await rolesOf(only.id)).toEqual(['admin', 'user']);
    expect(await world.sessionsOf(only.id)).toBe(1);
    await admin();
    expect(await outcomeOf(act(only.id))).toBe('ok');
  });

  test('another one who is disabled does not count, and may go', async () => {
    const [only, disabled] = [await admin(), await admin()];
    await disableUser(world.deps, { userId: disabled.id, reason }, world.system);
    expect(await outcomeOf(deleteUser(world.deps, { userId: only.id, reason }, world.system))).toBe('last_admin');
    expect(await outcomeOf(deleteUser(world.deps, { userId: disabled.id, reason }, world.system))).toBe('ok');
  });

  test('of two who are disabled at once one stays', async () => {
    const [one, other] = [await admin(), await admin()];
    const acts = [one, other].map(({ id: userId }) =>
      outcomeOf(disableUser(world.deps, { userId, reason }, world.system)),
    );
    expect((await Promise.all(acts)).sort()).toEqual(['last_admin', 'ok']);
    expect(
      await world.rows('SELECT 1 FROM users WHERE id = ANY ($1) AND "disabledAt" IS NULL', [[one.id, other.id]]),
    ).toHaveLength(1);
  });

  test('another role may be taken from the only one', async () => {
    const only = await world.somebody({ roles: ['admin', 'operator'] });
    const taken = await removeRole(world.deps, { userId: only.id, reason, role: 'operator' }, world.system);
    expect([taken.roles, await adminsLeft()]).toEqual([['admin', 'user'], 1]);
  });
});

describe('a role', () => {
  test('that is given ends no session, and is in the next request of a session that was cached', async () => {
    const [by, user] = [await admin(), await world.signedIn()];
    expect(user.caller.roles).toEqual(['user']);
    const given = await grantRole(world.deps, { userId: user.id, reason, role: 'auditor' }, by.caller);
    expect(given).toMatchObject({ roles: ['auditor', 'user'], sessions: 1 });
    expect((await world.callerOf(user)).roles).toEqual(['auditor', 'user']);
    const detail = { role: 'auditor', reason };
    expect(await world.eventsOf(user.id)).toContainEqual(
      expect.objectContaining({ type: 'user.role_granted', actor_id: by.id, detail }),
    );
  });

  test('that is given on the command line, where no session is cached, is given all the same', async () => {
    const { id: userId } = await world.somebody();
    const { auth: _auth, ...ports } = world.deps;
    const given = await grantRole(ports, { userId, reason, role: 'auditor' }, world.system);
    expect(given.roles).toEqual(['auditor', 'user']);
  });

  test('that is given twice is there once, and recorded once', async () => {
    const { id: userId } = await world.somebody();
    for (let n = 0; n < 2; n += 1) await grantRole(world.deps, { userId, reason, role: 'auditor' }, world.system);
    expect(await rolesOf(userId)).toEqual(['auditor', 'user']);
    expect((await typesOf(userId)).filter((type) => type === 'user.role_granted')).toHaveLength(1);
  });

  test('that is taken away ends the tokens from before, with its rule', async () => {
    const user = await world.signedIn({ roles: ['auditor'] });
    const shown = await removeRole(world.deps, { userId: user.id, reason, role: 'auditor' }, world.system);
    expect(shown).toMatchObject({ roles: ['user'], logins: 0 });
    const revoked = `SELECT reason, rule FROM revocations WHERE kind = 'user' AND value = $1`;
    expect(await world.rows(revoked, [user.id])).toEqual([{ reason, rule: 'role_removed' }]);
    expect(await typesOf(user.id)).toContain('user.role_removed');
  });

  test('that there is not is not given: role_unknown', async () => {
    const { id: userId } = await world.somebody();
    const given = { userId, reason, role: 'emperor' };
    expect(await outcomeOf(grantRole(world.deps, given, world.system))).toBe('role_unknown');
    expect(await rolesOf(userId)).toEqual(['user']);
  });
});

describe('an account that is not there', () => {
  test('is user_unknown for every act', async () => {
    const given = { userId: randomUUID(), reason };
    const role = { ...given, role: 'auditor' };
    const acts = [
      disableUser(world.deps, given, world.system),
      enableUser(world.deps, given, world.system),
      deleteUser(world.deps, given, world.system),
      endUserSessions(world.deps, given, world.system),
      grantRole(world.deps, role, world.system),
      removeRole(world.deps, role, world.system),
      showUser(world.deps, given.userId),
    ];
    expect(await Promise.all(acts.map(outcomeOf))).toEqual(acts.map(() => 'user_unknown'));
  });

  test('is also one that goes while the act waits for it', async () => {
    const { id } = await world.somebody();
    const act = () => outcomeOf(disableUser(world.deps, { userId: id, reason }, world.system));
    expect(await overtaken(world.pool, id, 'DELETE FROM users WHERE id = $1', act)).toBe('user_unknown');
  });
});

describe('the sessions of a user', () => {
  test('all end at once, with every login and token; how many there were is told', async () => {
    const [user, other] = [await world.signedIn(), await world.signedIn()];
    const second = await logIn({ ports: world.deps }, user.id);
    expect(await endUserSessions(world.deps, { userId: user.id, reason }, world.system)).toBe(2);
    expect(await showUser(world.deps, user.id)).toMatchObject({ sessions: 0, logins: 0 });
    const ended = `SELECT target_id FROM audit_outbox WHERE type = 'session.ended' AND detail ->> 'reason' = $1 AND target_id = ANY ($2)`;
    expect(await world.rows(ended, [reason, [user.sessionId, second.sessionId]])).toHaveLength(2);
    expect(await world.sessionsOf(other.id)).toBe(1);
    expect(await endUserSessions(world.deps, { userId: user.id, reason }, world.system)).toBe(0);
  });

  test('one that begins while they are being ended is among them', async () => {
    const user = await world.signedIn();
    const begin = `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES (gen_random_uuid(), $1, gen_random_uuid(), now() + interval '1 hour')`;
    const end = () => endUserSessions(world.deps, { userId: user.id, reason }, world.system);
    expect(await whileItWaits(world.pool, [userHeld(user.id), [begin, [user.id]]], end)).toBe(2);
    expect(await world.sessionsOf(user.id)).toBe(0);
  });
});
