import { expect, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { reconcilePermissions } from './reconcile-permissions.ts';

const ports = opened(openTestPorts);

const permissions = modules.flatMap((module) => module.permissions);
const rolesOf = async (permission: string): Promise<string[]> =>
  (
    await ports.raw<{ role: string }>`SELECT role FROM role_permissions WHERE permission = ${permission} ORDER BY role`
  ).map(({ role }) => role);
const rowOf = async (name: string) =>
  (await ports.raw`SELECT description, application FROM permissions WHERE name = ${name}`)[0];
const late = { name: 'late:read', description: 'Read what is late', roles: ['admin', 'auditor', 'gone'] };

test('the migrations have every declared permission with its roles, and no other', async () => {
  const names = (await ports.raw<{ name: string }>`SELECT name FROM permissions WHERE application IS NULL`).map(
    ({ name }) => name,
  );
  expect(names.sort()).toEqual(permissions.map(({ name }) => name).sort());
  for (const { name, roles } of permissions) expect([name, await rolesOf(name)]).toEqual([name, [...roles].sort()]);
});

test('a start corrects descriptions, and a second one changes nothing', async () => {
  await reconcilePermissions(ports, permissions, testCaller);
  for (const { name, description } of permissions) expect(await rowOf(name)).toMatchObject({ description });
  expect(await reconcilePermissions(ports, permissions, testCaller)).toEqual([]);
});

test('a new permission is added with those of its roles that exist, in one event for each, by two starts at once', async () => {
  const both = await Promise.all([1, 2].map(() => reconcilePermissions(ports, [...permissions, late], testCaller)));
  expect(both.flat()).toEqual([{ name: 'late:read', change: 'added' }]);
  expect(await rolesOf('late:read')).toEqual(['admin', 'auditor']);
  const events = await ports.raw<{ role: string; detail: object }>`SELECT target_id AS role, detail FROM audit_outbox
    WHERE type = 'role.changed' AND detail ->> 'reason' = 'declared by this release' ORDER BY target_id`;
  expect(events).toEqual(
    ['admin', 'auditor'].map((role) => ({
      role,
      detail: { added: ['late:read'], reason: 'declared by this release' },
    })),
  );
});

test('what an administrator took from a role, or gave to it, stays', async () => {
  await ports.raw`DELETE FROM role_permissions WHERE role = 'auditor' AND permission = 'late:read'`;
  await ports.raw`INSERT INTO role_permissions (role, permission) VALUES ('operator', 'late:read')`;
  const corrected = { ...late, description: 'Read late things' };
  expect(await reconcilePermissions(ports, [corrected], testCaller)).toEqual([
    { name: 'late:read', change: 'corrected' },
  ]);
  expect(await rolesOf('late:read')).toEqual(['admin', 'operator']);
});

test('a permission that an application declared first stays the application’s, and is reported', async () => {
  await ports.raw`INSERT INTO applications (name, audience) VALUES ('notes', 'https://notes.test')`;
  await ports.raw`INSERT INTO permissions (name, description, application) VALUES ('notes:read', '', 'notes')`;
  const clash = { name: 'notes:read', description: 'Read notes', roles: ['admin'] };
  expect(await reconcilePermissions(ports, [clash], testCaller)).toEqual([{ name: 'notes:read', change: 'taken' }]);
  expect(await rowOf('notes:read')).toEqual({ description: '', application: 'notes' });
  expect(await rolesOf('notes:read')).toEqual([]);
});
