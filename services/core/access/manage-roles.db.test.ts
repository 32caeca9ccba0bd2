import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Caller } from '../ports.ts';
import { createRole, deleteRole, listRoles, setRolePermissions } from './manage-roles.ts';
import { lockKnownRoles, lockRoleForGrant, rightsOf } from './role-rights.ts';

let reloads = 0;
const tools = () => ({
  ...ports,
  accessChanged: async () => {
    reloads += 1;
  },
});
const ports = opened(openTestPorts);
beforeEach(() => {
  reloads = 0;
});

const reason = 'test';
const grantRole = defineStatement('')`INSERT INTO user_roles (user_id, role) VALUES ($1, $2)`;
/** A caller with only these permissions. */
const holding = (...permissions: string[]): Caller => clientCaller('manager', permissions);
const newName = (): string => `role_${randomUUID().slice(0, 8)}`;
async function newRole(...permissions: string[]): Promise<string> {
  const name = newName();
  await createRole(tools(), { name, description: 'of a test', permissions, reason }, testCaller);
  reloads = 0;
  return name;
}
async function newHolder(role: string): Promise<string> {
  const id = randomUUID();
  await ports.raw`INSERT INTO users (id, email) VALUES (${id}, ${`${id}@example.test`})`;
  await ports.raw`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
  return id;
}
const epochOf = async (userId: string): Promise<number | undefined> =>
  (await ports.raw<{ epoch: number }>`SELECT "tokenEpoch" AS epoch FROM users WHERE id = ${userId}`)[0]?.epoch;
const eventsOf = async (role: string): Promise<string[]> =>
  (await ports.raw<{ type: string }>`SELECT type FROM audit_outbox WHERE target_id = ${role} ORDER BY id`).map(
    ({ type }) => type,
  );

describe('creating a role', () => {
  test('keeps each permission once, in order, writes an audit event and makes copies reload', async () => {
    const name = newName();
    const permissions = ['tokens:read', 'keys:read', 'tokens:read'];
    const input = { name, description: 'Looks', permissions, reason };
    const made = await createRole(tools(), input, holding('keys:read', 'tokens:read'));
    expect(made).toEqual({ name, description: 'Looks', permissions: ['keys:read', 'tokens:read'], built_in: false });
    expect(await rightsOf(ports.sql, [name])).toEqual(made.permissions);
    expect(await eventsOf(name)).toContain('role.created');
    expect(reloads).toBe(1);
  });

  test.each([
    ['with an unknown permission', ['keys:read', 'cats:feed'], 'permission_unknown'],
    ['with a permission that the caller lacks', ['keys:read', 'keys:manage'], 'rights_exceeded'],
  ])('%s is refused and creates nothing', async (_what, permissions, code) => {
    const name = newName();
    const made = createRole(tools(), { name, description: '', permissions, reason }, holding('keys:read'));
    await expect(made).rejects.toMatchObject({ code });
    expect(await ports.raw`SELECT 1 FROM roles WHERE name = ${name}`).toEqual([]);
    expect(reloads).toBe(0);
  });

  test('with a name already in use is refused, and the existing role keeps its permissions', async () => {
    const name = await newRole('keys:read');
    const again = createRole(tools(), { name, description: '', permissions: ['tokens:read'], reason }, testCaller);
    await expect(again).rejects.toMatchObject({ code: 'role_exists' });
    expect(await rightsOf(ports.sql, [name])).toEqual(['keys:read']);
  });
});

describe('the permissions of a role', () => {
  test('removing one ends the tokens of users with the role; adding one does not', async () => {
    const name = await newRole('keys:read');
    const holder = await newHolder(name);
    const before = (await epochOf(holder)) ?? Number.NaN;
    const set = (...permissions: string[]) =>
      setRolePermissions(tools(), { role: name, permissions, reason }, testCaller);
    expect((await set('tokens:read', 'keys:read')).permissions).toEqual(['keys:read', 'tokens:read']);
    expect(await epochOf(holder)).toBe(before);
    expect((await set('tokens:read')).permissions).toEqual(['tokens:read']);
    expect(await epochOf(holder)).toBe(before + 1);
    expect(await rightsOf(ports.sql, [name])).toEqual(['tokens:read']);
    expect(reloads).toBe(2);
    await set('audit:read', 'keys:read', 'tokens:read');
    await set();
    expect(await epochOf(holder), 'once for three at once').toBe(before + 2);
  });

  test('cannot be changed by a caller who lacks an added or removed permission; unchanged ones are not required', async () => {
    const name = await newRole('keys:read', 'tokens:read');
    const set = (caller: Caller, ...permissions: string[]) =>
      setRolePermissions(tools(), { role: name, permissions, reason }, caller);
    const exceeded = { code: 'rights_exceeded', options: { detail: 'You do not have keys:read.' } };
    await expect(set(holding('tokens:read'), 'tokens:read')).rejects.toMatchObject(exceeded);
    await expect(set(holding('keys:read'), 'keys:read', 'tokens:read', 'keys:manage')).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect(await rightsOf(ports.sql, [name])).toEqual(['keys:read', 'tokens:read']);
    expect(reloads).toBe(0);
    expect((await set(holding('keys:read'), 'tokens:read')).permissions).toEqual(['tokens:read']);
  });

  test('cannot include an unknown permission', async () => {
    const name = await newRole('keys:read');
    const set = setRolePermissions(
      tools(),
      { role: name, permissions: ['keys:read', 'cats:feed'], reason },
      testCaller,
    );
    await expect(set).rejects.toMatchObject({
      code: 'permission_unknown',
      options: { detail: 'Unknown permission cats:feed.' },
    });
  });
});

describe('deleting a role', () => {
  test('that no user has removes its permissions and writes an audit event', async () => {
    const name = await newRole('keys:read');
    await deleteRole(tools(), { role: name, reason }, testCaller);
    expect(await ports.raw`SELECT 1 FROM role_permissions WHERE role = ${name}`).toEqual([]);
    expect(await eventsOf(name)).toContain('role.deleted');
    expect(reloads).toBe(1);
  });

  test('is refused while a user has it, who would silently lose permissions', async () => {
    const name = await newRole('keys:read');
    await newHolder(name);
    await expect(deleteRole(tools(), { role: name, reason }, testCaller)).rejects.toMatchObject({ code: 'role_held' });
    expect(await rightsOf(ports.sql, [name])).toEqual(['keys:read']);
    expect(reloads).toBe(0);
  });

  test.each([
    ['admin', 'role_protected'],
    ['user', 'role_protected'],
    ['unknown', 'role_unknown'],
  ])('%s can be neither changed nor deleted: %s', async (name, code) => {
    const before = await rightsOf(ports.sql, [name]);
    await expect(deleteRole(tools(), { role: name, reason }, testCaller)).rejects.toMatchObject({ code });
    const set = setRolePermissions(tools(), { role: name, permissions: [], reason }, testCaller);
    await expect(set).rejects.toMatchObject({ code });
    expect(await rightsOf(ports.sql, [name])).toEqual(before);
  });
});

describe('the list of roles', () => {
  test('is ordered by name, has each role once at any page size, and marks the built-in ones', async () => {
    const all = await listRoles(ports, { limit: 100 });
    expect(all.next).toBeNull();
    const names = all.roles.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(all.roles.filter((role) => role.built_in).map(({ name }) => name)).toEqual(['admin', 'user']);
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listRoles(ports, { limit: 2, cursor });
      paged.push(...page.roles.map(({ name }) => name));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(paged).toEqual(names);
  });

  test('filtered by a permission has only the roles with it', async () => {
    const name = await newRole('keys:manage');
    const { roles } = await listRoles(ports, { permission: 'keys:manage', limit: 100 });
    expect(roles.map((role) => role.name)).toEqual(expect.arrayContaining(['admin', name]));
    expect(roles.filter(({ permissions }) => !permissions.includes('keys:manage'))).toEqual([]);
  });

  test('refuses a cursor of another list', async () => {
    const otherList = Buffer.from(JSON.stringify(['a', 'b'])).toString('base64url');
    for (const cursor of [otherList, 'x'])
      await expect(listRoles(ports, { limit: 2, cursor })).rejects.toMatchObject({ code: 'cursor_invalid' });
  });
});

describe('granting a role', () => {
  test('needs an existing role; of several roles the existing ones are locked, in name order', async () => {
    const [one, other] = [await newRole(), await newRole()];
    await expect(ports.transact((tx) => lockRoleForGrant(tx, 'unknown'))).rejects.toMatchObject({
      code: 'role_unknown',
    });
    await expect(ports.transact((tx) => lockRoleForGrant(tx, one))).resolves.toBeUndefined();
    const locked = await ports.transact((tx) => lockKnownRoles(tx, [other, 'unknown', one]));
    expect(locked).toEqual([one, other].sort());
  });

  test('blocks its deletion until the grant commits, and the deletion is then refused', async () => {
    const name = await newRole('keys:read');
    const id = randomUUID();
    await ports.raw`INSERT INTO users (id, email) VALUES (${id}, ${`${id}@example.test`})`;
    let deletion: Promise<unknown> = Promise.resolve();
    await ports.transact(async (tx) => {
      await lockRoleForGrant(tx, name);
      deletion = deleteRole(tools(), { role: name, reason }, testCaller).catch((err: unknown) => err);
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await expect.poll(async () => (await ports.raw(waiting)).length).toBe(1);
      await tx.query(grantRole, [id, name]);
    });
    expect(await deletion).toMatchObject({ code: 'role_held' });
  });
});
