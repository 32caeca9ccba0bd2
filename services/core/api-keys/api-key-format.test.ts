import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { HasAccess } from '../access/access-directory.ts';
import type { Random, Sql } from '../ports.ts';
import { newApiKeySecret, parseApiKey } from './api-key-format.ts';
import { assertMayCarry, carriablePermissions } from './key-permissions.ts';

const id = '0192f0c1-2b3c-7d4e-8f50-61728394a5b6';
const random = (bytes: () => Buffer): Random => ({ bytes, uuid: () => id });
const made = newApiKeySecret(
  random(() => randomBytes(32)),
  id,
);

test('parsing a key gives its id and the hash that is stored', () => {
  expect(made.text).toMatch(/^sp_ak_[0-9a-f]{32}_[0-9A-Za-z]{49}$/);
  expect(parseApiKey(made.text)).toEqual({ id, hash: made.hash });
});

test('the smallest and the largest secret give keys of the same length', () => {
  const texts = [Buffer.alloc(32), Buffer.alloc(32, 255)].map(
    (bytes) =>
      newApiKeySecret(
        random(() => bytes),
        id,
      ).text,
  );
  expect([new Set(texts.map((text) => text.length)).size, new Set(texts).size]).toEqual([1, 2]);
  for (const text of texts) expect(parseApiKey(text)).not.toBeNull();
});

test('the same secret under another id has another hash', () => {
  const bytes = Buffer.alloc(32, 7);
  const other = id.replace('0192', '0193');
  const hashes = [id, other].map((each) =>
    newApiKeySecret(
      random(() => bytes),
      each,
    ).hash.toString('hex'),
  );
  expect(new Set(hashes).size).toBe(2);
});

test('the checksum finds a mistyped character at any place, before any look-up', () => {
  for (let at = 'sp_ak_'.length; at < made.text.length; at += 1) {
    const wrong = made.text[at] === '1' ? '2' : '1';
    expect(parseApiKey(made.text.slice(0, at) + wrong + made.text.slice(at + 1))).toBeNull();
  }
});

test.each(['', 'sp_ak_', 'sp_rt_1.x', `${'x'.repeat(100_000)}`])('%j is no key', (text) => {
  expect(parseApiKey(text)).toBeNull();
});

test.each([
  ['a longer key', `${made.text}A`],
  ['a shorter key', made.text.slice(0, -1)],
  ['a key with a line break', `${made.text}\n`],
  ['a key in capitals', made.text.toUpperCase()],
])('%s is not parsed', (_name, text) => expect(parseApiKey(text)).toBeNull());

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
