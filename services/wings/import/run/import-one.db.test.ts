import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { createFactorSeal } from '#services/core/identity/sessions/factor-seal.ts';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { ndjsonAdapter } from '../adapters/generic.ts';
import { importMap } from '../import-shapes.ts';
import {
  type ImportOnePorts,
  type LegacySystem,
  migrateFromLegacyProvider,
  syncLegacyProviderData,
} from './import-one.ts';

const harness = opened(openPeopledHarness);
let ports: ImportOnePorts;
const there = new Map<string, object>();
const system: LegacySystem = {
  adapter: ndjsonAdapter,
  map: importMap.parse(undefined),
  reason: 'a test',
  exportUser: async (id) => {
    const user = there.get(id);
    return user === undefined ? undefined : `${JSON.stringify(user)}\n`;
  },
};
beforeAll(async () => {
  const factorSeal = createFactorSeal('a secret of the tests, 32 characters long');
  ports = { ...harness.deps, factorSeal, relyingPartyId: 'auth.example.com' };
});

const migrate = (id: string) => migrateFromLegacyProvider(ports, system, id, testCaller);

test('a user is imported once, and what changes there is taken over', async () => {
  const id = randomUUID();
  there.set(id, { id, email: 'ada@people.test', email_verified: true, name: 'Ada' });
  const ada = await migrate(id);
  expect(ada).toMatchObject({ id, email: 'ada@people.test', name: 'Ada' });
  expect(await migrate(id)).toEqual(ada);
  there.set(id, { id, email: 'ada@people.test', email_verified: true, name: 'Ada Lovelace' });
  expect(await syncLegacyProviderData(ports, system, ada.id, testCaller)).toMatchObject({ id, name: 'Ada Lovelace' });
  expect(await harness.rows`SELECT id FROM users WHERE email = 'ada@people.test'`).toEqual([{ id }]);
});

test('a user who is not there, was not imported, was deleted here or cannot be imported is named so', async () => {
  await expect(migrate('unknown')).rejects.toMatchObject({ code: 'imported_user_unknown' });
  await expect(syncLegacyProviderData(ports, system, randomUUID(), testCaller)).rejects.toMatchObject({
    code: 'imported_user_unknown',
  });
  await expect(migrate('a\0b')).rejects.toMatchObject({ code: 'imported_user_unknown' });
  const [bob, eve] = [randomUUID(), randomUUID()];
  there.set(bob, { id: bob, email: 'bob@people.test', email_verified: true });
  await migrate(bob);
  await harness.rows`DELETE FROM users WHERE id = ${bob}`;
  await expect(migrate(bob)).rejects.toMatchObject({
    code: 'record_rejected',
    options: { detail: 'deleted_here: bob@people.test' },
  });
  const other = randomUUID();
  there.set(other, { id: randomUUID(), email: 'other@people.test', email_verified: true });
  await expect(migrate(other)).rejects.toMatchObject({ code: 'imported_user_unknown' });
  there.set(eve, { id: eve, email: 'no address' });
  await expect(migrate(eve)).rejects.toMatchObject({ code: 'record_rejected' });
});
