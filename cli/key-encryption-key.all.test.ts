// About: services/core/keys/secrets/
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimsIn, issueFor, refresh, signIn, verdictOn } from '../tools/testing/flows/flows.ts';
import { type Product, startProduct } from '../tools/testing/harness/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../tools/testing/harness/stores.ts';

const [FIRST, SECOND, STRANGE] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64'));
const authSecret = 'an-auth-secret-of-more-than-thirty-two-characters';

let database: TestDatabase;
let redisUrl: string;
beforeAll(async () => {
  database = await createTestDatabase();
  redisUrl = testRedisUrl();
});
afterAll(() => database.drop());

const start = (env: Readonly<Record<string, string>>): Promise<Product> =>
  startProduct({
    stores: { databaseUrl: database.url, redisUrl },
    env: {
      BETTER_AUTH_SECRET: authSecret,
      WORKER_COPIES: '0',
      JWT_ISSUER: 'https://issuer.example.test',
      JWT_AUDIENCE: 'https://issuer.example.test',
      ...env,
    },
  });

test('a start with another key-encryption key is refused without the previous one, and with it keeps every token and token family', async () => {
  const first = await start({ KEY_ENCRYPTION_KEY: FIRST! });
  const { tokens, id, email } = await signIn(first, first.credentials.user);
  const other = await issueFor(first, id);
  await first.stop();
  await first.dispose();

  const refused = await start({ KEY_ENCRYPTION_KEY: SECOND! }).then(
    () => '',
    (err: Error) => err.message,
  );
  expect(refused).toMatch(/the keys in this database were sealed under another key-encryption key/);
  expect(refused).toMatch(/KEY_ENCRYPTION_KEY_PREVIOUS/);
  const wrong = await start({ KEY_ENCRYPTION_KEY: SECOND!, KEY_ENCRYPTION_KEY_PREVIOUS: STRANGE! }).then(
    () => '',
    (err: Error) => err.message,
  );
  expect(wrong).toMatch(/open neither with KEY_ENCRYPTION_KEY nor with KEY_ENCRYPTION_KEY_PREVIOUS/);
  expect(refused + wrong).not.toContain(FIRST);

  const changed = await start({ KEY_ENCRYPTION_KEY: SECOND!, KEY_ENCRYPTION_KEY_PREVIOUS: FIRST! });
  try {
    expect(await verdictOn(changed, tokens.access_token)).toBe('active');
    const refreshed = await refresh(changed, other.refresh_token);
    expect(refreshed.status, refreshed.text).toBe(200);
    expect(claimsIn(refreshed.body.access_token)).toMatchObject({ sub: id });
    expect(await signIn(changed, changed.credentials.user)).toMatchObject({ id, email });
  } finally {
    await changed.stop();
    await changed.dispose();
  }

  const later = await start({ KEY_ENCRYPTION_KEY: SECOND! });
  expect(await verdictOn(later, tokens.access_token)).toBe('active');
  await later.dispose();
});
