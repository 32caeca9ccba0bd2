import { expect, test } from 'vitest';
import { createVault } from '#services/platform/crypto/vault.ts';
import type { SecretRow } from '../keys.store.ts';
import { openServerSecrets, serverSecretContext } from './server-secrets.ts';

const vault = createVault(Buffer.alloc(32, 7));
const rowOf = (purpose: string, version: number, activatesAt: number): SecretRow => ({
  purpose,
  version,
  sealed: vault.seal(Buffer.alloc(32, version), serverSecretContext(purpose, version)),
  created_at: 0,
  activates_at: activatesAt,
});

test('a purpose of a later release is ignored at the first load and at later loads', () => {
  const rows = [rowOf('refresh', 1, 0), rowOf('of-a-later-release', 1, 0)];
  const first = openServerSecrets(vault, rows);
  const second = openServerSecrets(vault, rows, first);
  expect(second.newest('refresh', 0)).toEqual(first.newest('refresh', 0));
  expect(second.version('refresh', 1)).toEqual(Buffer.alloc(32, 1));
});
