import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { loadConfig } from '../config/load.ts';
import { processInputsOf } from './inputs.ts';

let folder: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
});

const given = { DATABASE_URL: 'postgres://db.test/a', REDIS_URL: 'redis://cache.test/0' };
const inputsOf = (env: Record<string, string>) => processInputsOf(loadConfig({ SALLYPORT_DATA_DIR: folder, ...env }));

test.each([
  ['DATABASE_URL', { REDIS_URL: given.REDIS_URL }],
  ['REDIS_URL', { DATABASE_URL: given.DATABASE_URL }],
])('refuses to start without %s, and names the fix', (name, env) => {
  expect(() => inputsOf(env as Record<string, string>)).toThrow(new RegExp(`^${name}: is not set \\(start with`));
});

test('DATABASE_DIRECT_URL leads to PostgreSQL itself, and DATABASE_URL then to the pooler', () => {
  const direct = 'postgres://db.test/direct';
  expect(inputsOf(given).pooledUrl).toBeUndefined();
  expect(inputsOf({ ...given, DATABASE_DIRECT_URL: direct })).toMatchObject({
    databaseUrl: direct,
    pooledUrl: given.DATABASE_URL,
  });
  expect(() => inputsOf({ REDIS_URL: given.REDIS_URL, DATABASE_DIRECT_URL: direct })).toThrow(
    /^DATABASE_DIRECT_URL: is set without DATABASE_URL/,
  );
});

test('a generated secret is kept for the next start, and a configured secret is used unchanged', () => {
  const first = inputsOf(given);
  expect(first).toMatchObject({ dataDir: folder, databaseUrl: given.DATABASE_URL, redisUrl: given.REDIS_URL });
  expect(first.authSecret.length).toBeGreaterThanOrEqual(32);
  expect(inputsOf(given).authSecret).toBe(first.authSecret);
  const own = 'a secret from the environment, long enough';
  expect(inputsOf({ ...given, BETTER_AUTH_SECRET: own }).authSecret).toBe(own);
});
