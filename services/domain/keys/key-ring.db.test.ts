import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestPorts, type TestPorts, testCaller } from '../../platform/testing/ports.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { createKeyRing } from './key-ring.ts';

const settingsWith = (algorithm: EnsureKeysSettings['keys']['algorithm']): EnsureKeysSettings => ({
  keys: { algorithm, jwtSecret: undefined, prepublishSeconds: 60, rotationDays: 30, ringBoundSeconds: 30 },
  tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 2_592_000 },
  authSecret: 'a-secret-of-more-than-thirty-two-characters',
  audience: 'https://api.example.test',
});
const ringSettings = { algorithm: 'RS256', jwksMaxAgeSeconds: 300, ringBoundSeconds: 30 } as const;

describe.each(['RS256', 'ES256', 'EdDSA'] as const)('%s', (alg) => {
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

  test('a fresh database uses the configured algorithm, and jose verifies its tokens by the key set alone', async () => {
    const { created } = await ensureKeys(ports, settingsWith(alg), testCaller);
    expect(created).toHaveLength(1);
    const ring = createKeyRing(ports, { ...ringSettings, algorithm: alg });
    await ring.load();
    const exp = Math.floor(Date.now() / 1_000) + 900;
    const token = await ring.sign({ typ: 'at+jwt' }, { sub: 'u1', aud: 'https://api.example.test', exp });
    const keySet = createLocalJWKSet(JSON.parse(ring.jwks().body));
    const { payload, protectedHeader } = await jwtVerify(token, keySet, { algorithms: [alg], typ: 'at+jwt' });
    expect(payload.sub).toBe('u1');
    expect(protectedHeader).toEqual({ alg, kid: created[0], typ: 'at+jwt' });
  });
});
