import { expect, test } from 'vitest';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { openFactorsHarness } from '../factors/factors-harness.ts';
import { importedKeyPurge } from './imported-keys.store.ts';
import { createImportedKeys, storeImportedKey } from './imported-keys.ts';

const harness = opened(openFactorsHarness);

const store = (key: Uint8Array): Promise<string> =>
  harness.deps.transact((tx) => storeImportedKey(tx, harness.deps, key));
const rowOf = (id: string) => harness.rows('SELECT sealed, created_at FROM imported_hash_keys WHERE id = $1', [id]);
const age = (id: string) =>
  harness.rows(`UPDATE imported_hash_keys SET created_at = created_at - interval '8 days' WHERE id = $1`, [id]);
const purge = () =>
  harness.deps.transact(async (tx) => (await importedKeyPurge.removeBatch(tx, 100, '-infinity')).removed);

test('a key is stored sealed, under an id that repeats, and read by that id', async () => {
  const key = Buffer.alloc(64, 1);
  const id = await store(key);
  expect(await store(key)).toBe(id);
  const rows = await rowOf(id);
  expect(rows).toHaveLength(1);
  expect(rows[0].sealed).not.toContain(key.toString('base64'));
  const read = createImportedKeys(harness.deps);
  expect(await read(id)).toEqual(key);
  await harness.rows('DELETE FROM imported_hash_keys WHERE id = $1', [id]);
  expect(await read(id), 'opened once').toEqual(key);
  expect(await createImportedKeys(harness.deps)(id)).toBeUndefined();
});

test('a key is purged a week after its last import, if no digest names it', async () => {
  const [used, unused] = [await store(Buffer.alloc(64, 2)), await store(Buffer.alloc(64, 3))];
  const digest = `$fbscrypt$k=${used},m=14,r=8,ss=Bw==$c2FsdA==$${'A'.repeat(86)}==`;
  await insertPerson({ stores: { pools: { main: harness.pool } } }, newEmail(), digest);
  expect(await purge()).toBe(0);
  await age(used);
  await age(unused);
  await store(Buffer.alloc(64, 3));
  expect(await purge(), 'its age begins again with an import').toBe(0);
  await age(unused);
  expect(await importedKeyPurge.readOverdueMs(harness.deps.sql)).toBeGreaterThan(0);
  expect(await purge()).toBe(1);
  expect([await rowOf(used), await rowOf(unused)]).toMatchObject([[{}], []]);
});
