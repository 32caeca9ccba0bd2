import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestPorts, type TestPorts, testCaller } from '../../platform/testing/ports.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { sharedSecretPurpose } from './key-timeline.ts';
import { readKeysOf } from './keys.store.ts';

const BEFORE = 'https://before.example.test';
const AFTER = 'https://after.example.test';
const SECRET = 'a-secret-of-more-than-thirty-two-characters';

const settingsWith = (audience: string | null, jwtSecret = SECRET): EnsureKeysSettings => ({
  keys: { algorithm: 'HS256', jwtSecret, prepublishSeconds: 60, rotationDays: 30, ringBoundSeconds: 30 },
  tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600 },
  authSecret: SECRET,
  audience,
});

let database: TestDatabase;
let ports: TestPorts;
beforeAll(async () => {
  database = await createTestDatabase();
  ports = createTestPorts(database.url);
});
afterAll(async () => {
  await ports.end();
  await database.drop();
});
let kid: string;
beforeEach(async () => {
  await ports.raw('TRUNCATE jwks, server_secrets, key_policy, audit_outbox, revocations');
  await ensureKeys(ports, settingsWith(BEFORE), testCaller);
  kid = (await readKeysOf(ports.sql, sharedSecretPurpose(BEFORE)))[0]?.kid ?? '';
});

test.each([
  ['the same secret', SECRET],
  ['another secret', 'another-secret-of-thirty-two-characters'],
])('another default audience: %s signs for it, and nothing shared for the one before', async (_name, secret) => {
  const { created } = await ensureKeys(ports, settingsWith(AFTER, secret), testCaller);
  const [[before], [after]] = [
    await readKeysOf(ports.sql, sharedSecretPurpose(BEFORE)),
    await readKeysOf(ports.sql, sharedSecretPurpose(AFTER)),
  ];
  expect(before).toMatchObject({ kid, signsUntil: expect.any(Number) });
  expect(after).toMatchObject({ kid: created[0], signsUntil: null });
  expect(await ports.raw(`SELECT target_id FROM audit_outbox WHERE type = 'key.stopped'`)).toEqual([
    { target_id: kid },
  ]);
});

test('a start that does not know the default audience leaves shared secrets as they are', async () => {
  expect((await ensureKeys(ports, settingsWith(null), testCaller)).created).toEqual([]);
  expect(await readKeysOf(ports.sql, sharedSecretPurpose(BEFORE))).toMatchObject([{ kid, signsUntil: null }]);
});
