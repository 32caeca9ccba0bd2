import { describe, expect, test } from 'vitest';
import { clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { HasAccess } from '../access/access-directory.ts';
import type { Sql } from '../ports.ts';
import { assertMayCarry, carriablePermissions } from './key-permissions.ts';

test('a client that this copy no longer knows can give a key no permission', async () => {
  const access = { client: () => undefined, applications: () => [], permissions: () => new Set() };
  const ports = { access } as unknown as HasAccess;
  // A client's permissions are in memory: no statement runs.
  const tx = undefined as unknown as Sql;
  const carry = assertMayCarry(tx, ports, { kind: 'client', id: 'gone' }, ['notes:read'], clientCaller('gone'));
  await expect(carry).rejects.toMatchObject({ code: 'rights_exceeded' });
});

describe('a key can carry permissions of applications', () => {
  const notes = {
    name: 'notes',
    audience: 'https://notes.test',
    permissions: new Set(['notes:read', 'notes:write']),
    roles: new Map([['notes.reader', ['notes:read']]]),
  };
  // Another that names a permission of the first.
  const roles = new Map([['copy.writer', ['notes:write']]]);
  const copy = { ...notes, name: 'copy', audience: 'https://copy.test', roles };
  const access = {
    client: () => ({ credential_scopes: ['notes:read', 'keys:read', 'elsewhere:read'] }),
    applications: () => [notes, copy],
    application: (audience: string) => [notes, copy].find((each) => each.audience === audience),
    permissions: () => new Set(['keys:read']),
    rolesAt: (roles: readonly string[]) => roles,
  };
  const ports = { access } as unknown as HasAccess;
  const tx = { query: async () => [{ roles: ['notes.reader', 'copy.writer'] }] } as unknown as Sql;
  const refused = { code: 'rights_exceeded' };

  test('that its client has as scopes, and none of the installation that the caller lacks', async () => {
    const carry = (...permissions: string[]) =>
      assertMayCarry(tx, ports, { kind: 'client', id: 'c1' }, permissions, clientCaller('c1'));
    await expect(carry('notes:read')).resolves.toBeUndefined();
    for (const permission of ['notes:write', 'keys:read', 'elsewhere:read'])
      await expect(carry(permission)).rejects.toMatchObject(refused);
  });

  test('that its user has by roles of the application', async () => {
    const carry = (permission: string) =>
      assertMayCarry(tx, ports, { kind: 'user', id: 'u1' }, [permission], userCaller('u1'));
    await expect(carry('notes:read')).resolves.toBeUndefined();
    for (const permission of ['notes:write', 'elsewhere:read'])
      await expect(carry(permission)).rejects.toMatchObject(refused);
  });

  test('and the form of a new key offers exactly those that it may carry', async () => {
    const user = userCaller('u1', { permissions: new Set(['keys:read']) });
    const offered = await carriablePermissions({ sql: tx, ...ports }, user);
    expect(offered).toEqual(['keys:read', 'notes:read']);
    for (const permission of ['keys:read', 'notes:read', 'notes:write', 'elsewhere:read']) {
      const carry = assertMayCarry(tx, ports, { kind: 'user', id: 'u1' }, [permission], user);
      if (offered.includes(permission)) await expect(carry).resolves.toBeUndefined();
      else await expect(carry).rejects.toMatchObject(refused);
    }
    expect(await carriablePermissions({ sql: tx, ...ports }, clientCaller('c1'))).toEqual([]);
  });
});
