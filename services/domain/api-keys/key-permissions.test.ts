import { expect, test } from 'vitest';
import { clientCaller } from '#testing/harness/ports.ts';
import type { HasAccess } from '../access/access-directory.ts';
import type { Sql } from '../ports.ts';
import { assertMayCarry } from './key-permissions.ts';

test('a client that this copy no longer knows can give a key no permission', async () => {
  const access = { client: () => undefined, applications: () => [], permissions: () => new Set() };
  const ports = { access } as unknown as HasAccess;
  // A client's permissions are in memory: no statement runs.
  const tx = undefined as unknown as Sql;
  const carry = assertMayCarry(tx, ports, { kind: 'client', id: 'gone' }, ['notes:read'], clientCaller('gone'));
  await expect(carry).rejects.toMatchObject({ code: 'rights_exceeded' });
});
