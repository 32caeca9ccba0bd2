import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPeopledHarness, type PeopledHarness } from '#tools/testing/harness/people.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { grantRole } from './assign-role.ts';

let harness: PeopledHarness;
beforeAll(async () => {
  harness = await openPeopledHarness();
});
afterAll(() => harness?.close());

const reason = 'test';
const admin = () => harness.signedIn({ roles: ['admin'] });
const rolesOf = async (id: string) => (await harness.accountOf(id))?.roles;
/** A client of this user: an agent, or one whose secret the user has set. */
async function newClient(userId: string, kind: 'agent' | 'client'): Promise<string> {
  const id = `grants-${kind}`;
  await harness.rows(`INSERT INTO oauth_clients (id, "clientId", name, credential_setters) VALUES ($1, $1, $1, $2)`, [
    id,
    kind === 'client' ? [userId] : [],
  ]);
  if (kind === 'agent')
    await harness.rows(
      `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`,
      [id, userId],
    );
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
