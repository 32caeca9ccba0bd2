import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceKeyRing } from '../../services/domain/keys/advance-key-ring.ts';
import { ensureKeys } from '../../services/domain/keys/ensure-keys.ts';
import { purge } from '../../services/domain/purge.ts';
import { tokenPurges } from '../../services/domain/tokens/clean-up-expired-tokens.ts';
import { defineStatement } from '../../services/platform/define/statement.ts';
import { takeFence } from '../../services/platform/queue/fences.ts';
import { createTestPorts, type TestPorts, testCaller } from '../../services/platform/testing/ports.ts';
import { createTestDatabase, type TestDatabase } from '../../services/platform/testing/stores.ts';
import { fenced } from './run.ts';

let database: TestDatabase;
let ports: TestPorts & { keysChanged: () => void };
beforeAll(async () => {
  database = await createTestDatabase();
  ports = { ...createTestPorts(database.url), keysChanged: () => {} };
});
afterAll(async () => {
  await ports.end();
  await database.drop();
});
const raw = <R>(text: string): Promise<R[]> => ports.sql.query<R>(defineStatement('', text));

test('a worker that wakes after a newer run has begun rotates no key and removes no row', async () => {
  const settings = {
    keys: {
      algorithm: 'ES256',
      jwtSecret: undefined,
      prepublishSeconds: 60,
      rotationDays: 0.0001,
      ringBoundSeconds: 30,
    },
    tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600 },
    authSecret: 'a-secret-of-more-than-thirty-two-characters',
    audience: null,
  } as const;
  await ensureKeys(ports, settings, testCaller);
  await raw(
    `INSERT INTO idempotency_keys (key_hash, request_hash, expires_at) VALUES ('old', 'x', now() - interval '1 hour')`,
  );
  const before = await raw('SELECT id, signs::text FROM jwks ORDER BY id');

  const stalled = fenced(ports, await takeFence(ports.sql, 'advance-key-ring'));
  const newer = fenced(ports, await takeFence(ports.sql, 'advance-key-ring'));
  await expect(advanceKeyRing(stalled, testCaller)).rejects.toMatchObject({ code: 'run_superseded' });
  expect(await raw('SELECT id, signs::text FROM jwks ORDER BY id')).toEqual(before);
  expect(await advanceKeyRing(newer, testCaller)).toMatchObject({ published: expect.any(String) });

  const { removed, failures } = await purge(stalled, tokenPurges);
  expect(removed).toBe(0);
  expect(failures).toMatchObject(tokenPurges.map(() => ({ code: 'run_superseded' })));
  expect(await purge(newer, tokenPurges)).toMatchObject({ removed: 1, failures: [] });
});
