import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { clientCaller, testCaller } from '#testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
import type { Caller } from '../ports.ts';
import { createRole, deleteRole, listRoles, setRolePermissions } from './manage-roles.ts';
import { holdKnownRoles, holdRole, rightsOf } from './role-rights.ts';

let ports: OwnPorts;
let told = 0;
const tools = () => ({
  ...ports,
  accessChanged: async () => {
    told += 1;
  },
});
beforeAll(async () => {
  ports = await openTestPorts();
});
afterAll(() => ports?.end());
beforeEach(() => {
  told = 0;
});

const reason = 'test';
const grantRole = defineStatement('', 'INSERT INTO user_roles (user_id, role) VALUES ($1, $2)');
/** Somebody who may do this, and nothing else. */
const holding = (...permissions: string[]): Caller => clientCaller('manager', permissions);
const newName = (): string => `role_${randomUUID().slice(0, 8)}`;
async function newRole(...permissions: string[]): Promise<string> {
  const name = newName();
  await createRole(tools(), { name, description: 'of a test', permissions, reason }, testCaller);
  told = 0;
  return name;
}
async function newHolder(role: string): Promise<string> {
  const id = randomUUID();
  await ports.raw('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.test`]);
  await ports.raw('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [id, role]);
  return id;
}
const epochOf = async (userId: string): Promise<number | undefined> =>
  (await ports.raw<{ epoch: number }>('SELECT "tokenEpoch" AS epoch FROM users WHERE id = $1', [userId]))[0]?.epoch;
const eventsOf = async (role: string): Promise<string[]> =>
  (await ports.raw<{ type: string }>('SELECT type FROM audit_outbox WHERE target_id = $1 ORDER BY id', [role])).map(
    ({ type }) => type,
  );

describe('a new role', () => {
  test('has each permission once, in order, is written to the log, and is told to the copies', async () => {
    const name = newName();
    const permissions = ['tokens:read', 'keys:read', 'tokens:read'];
    const input = { name, description: 'Looks', permissions, reason };
    const made = await createRole(tools(), input, holding('keys:read', 'tokens:read'));
    expect(made).toEqual({ name, description: 'Looks', permissions: ['keys:read', 'tokens:read'], built_in: false });
    expect(await rightsOf(ports.sql, [name])).toEqual(made.permissions);
    expect(await eventsOf(name)).toContain('role.created');
    expect(told).toBe(1);
  });

  test.each([
    ['with a permission there is not', ['keys:read', 'cats:feed'], 'permission_unknown'],
    ['with one that its maker lacks', ['keys:read', 'keys:manage'], 'rights_exceeded'],
  ])('%s is refused, and nothing of it is there', async (_what, permissions, code) => {
    const name = newName();
    const made = createRole(tools(), { name, description: '', permissions, reason }, holding('keys:read'));
    await expect(made).rejects.toMatchObject({ code });
    expect(await ports.raw('SELECT 1 FROM roles WHERE name = $1', [name])).toEqual([]);
    expect(told).toBe(0);
  });

  test('of a name that is taken is refused, and the other keeps its rights', async () => {
    const name = await newRole('keys:read');
    const again = createRole(tools(), { name, description: '', permissions: ['tokens:read'], reason }, testCaller);
    await expect(again).rejects.toMatchObject({ code: 'role_exists' });
    expect(await rightsOf(ports.sql, [name])).toEqual(['keys:read']);
  });
});

describe('the rights of a role', () => {
  test('one taken away ends what its holders have; one added does not', async () => {
    const name = await newRole('keys:read');
    const holder = await newHolder(name);
    const before = (await epochOf(holder)) ?? Number.NaN;
    const set = (...permissions: string[]) => setRolePermissions(tools(), { name, permissions, reason }, testCaller);
    expect((await set('tokens:read', 'keys:read')).permissions).toEqual(['keys:read', 'tokens:read']);
    expect(await epochOf(holder)).toBe(before);
    expect((await set('tokens:read')).permissions).toEqual(['tokens:read']);
    expect(await epochOf(holder)).toBe(before + 1);
    expect(await rightsOf(ports.sql, [name])).toEqual(['tokens:read']);
    expect(told).toBe(2);
  });

  test('are changed by nobody who lacks what is added or taken away; what stays does not count', async () => {
    const name = await newRole('keys:read', 'tokens:read');
    const set = (caller: Caller, ...permissions: string[]) =>
      setRolePermissions(tools(), { name, permissions, reason }, caller);
    const exceeded = { code: 'rights_exceeded', options: { detail: 'You do not have keys:read.' } };
    await expect(set(holding('tokens:read'), 'tokens:read')).rejects.toMatchObject(exceeded);
    await expect(set(holding('keys:read'), 'keys:read', 'tokens:read', 'keys:manage')).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect(await rightsOf(ports.sql, [name])).toEqual(['keys:read', 'tokens:read']);
    expect(told).toBe(0);
    expect((await set(holding('keys:read'), 'tokens:read')).permissions).toEqual(['tokens:read']);
  });

  test('do not become what no installation asks for', async () => {
    const name = await newRole('keys:read');
    const set = setRolePermissions(tools(), { name, permissions: ['keys:read', 'cats:feed'], reason }, testCaller);
    await expect(set).rejects.toMatchObject({
      code: 'permission_unknown',
      options: { detail: 'cats:feed is no permission.' },
    });
  });
});

describe('a role goes', () => {
  test('when nobody has it, with its rights, and the log says so', async () => {
    const name = await newRole('keys:read');
    await deleteRole(tools(), { name, reason }, testCaller);
    expect(await ports.raw('SELECT 1 FROM role_permissions WHERE role = $1', [name])).toEqual([]);
    expect(await eventsOf(name)).toContain('role.deleted');
    expect(told).toBe(1);
  });

  test('never while somebody has it: their rights would go unnoticed', async () => {
    const name = await newRole('keys:read');
    await newHolder(name);
    await expect(deleteRole(tools(), { name, reason }, testCaller)).rejects.toMatchObject({ code: 'role_held' });
    expect(await rightsOf(ports.sql, [name])).toEqual(['keys:read']);
    expect(told).toBe(0);
  });

  test.each([
    ['admin', 'role_protected'],
    ['user', 'role_protected'],
    ['nobody', 'role_unknown'],
  ])('%s is neither changed nor deleted: %s', async (name, code) => {
    const before = await rightsOf(ports.sql, [name]);
    await expect(deleteRole(tools(), { name, reason }, testCaller)).rejects.toMatchObject({ code });
    const set = setRolePermissions(tools(), { name, permissions: [], reason }, testCaller);
    await expect(set).rejects.toMatchObject({ code });
    expect(await rightsOf(ports.sql, [name])).toEqual(before);
  });
});

describe('the list of roles', () => {
  test('is by name, each once however small the pages are, and says which are built in', async () => {
    const all = await listRoles(ports, { limit: 100 });
    expect(all.next).toBeNull();
    const names = all.items.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(all.items.filter((role) => role.built_in).map(({ name }) => name)).toEqual(['admin', 'user']);
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listRoles(ports, { limit: 2, cursor });
      paged.push(...page.items.map(({ name }) => name));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(paged).toEqual(names);
  });

  test('of a permission holds those that give it and no other', async () => {
    const name = await newRole('keys:manage');
    const { items } = await listRoles(ports, { permission: 'keys:manage', limit: 100 });
    expect(items.map((role) => role.name)).toEqual(expect.arrayContaining(['admin', name]));
    expect(items.filter(({ permissions }) => !permissions.includes('keys:manage'))).toEqual([]);
  });

  test('goes on from no cursor of another list', async () => {
    const foreign = Buffer.from(JSON.stringify(['a', 'b'])).toString('base64url');
    for (const cursor of [foreign, 'x'])
      await expect(listRoles(ports, { limit: 2, cursor })).rejects.toMatchObject({ code: 'cursor_invalid' });
  });
});

describe('a role that is given', () => {
  test('must be there; of several those that are there are held, by name', async () => {
    const [one, other] = [await newRole(), await newRole()];
    await expect(ports.transact((tx) => holdRole(tx, 'nobody'))).rejects.toMatchObject({ code: 'role_unknown' });
    await expect(ports.transact((tx) => holdRole(tx, one))).resolves.toBeUndefined();
    const held = await ports.transact((tx) => holdKnownRoles(tx, [other, 'nobody', one]));
    expect(held).toEqual([one, other].sort());
  });

  test('is not deleted before whoever gives it has committed: then it is held', async () => {
    const name = await newRole('keys:read');
    const id = randomUUID();
    await ports.raw('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.test`]);
    let deletion: Promise<unknown> = Promise.resolve();
    await ports.transact(async (tx) => {
      await holdRole(tx, name);
      deletion = deleteRole(tools(), { name, reason }, testCaller).catch((err: unknown) => err);
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await expect.poll(async () => (await ports.raw(waiting)).length).toBe(1);
      await tx.query(grantRole, [id, name]);
    });
    expect(await deletion).toMatchObject({ code: 'role_held' });
  });
});
