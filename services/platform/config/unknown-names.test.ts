import { expect, test } from 'vitest';
import { ConfigError, loadConfig, loadProcessConfig, sections } from './load.ts';
import { unknownNames } from './unknown-names.ts';

const names = Object.values(sections).flatMap((section) => Object.values(section).map(({ env }) => env));
const found = (env: Record<string, string | undefined>) => unknownNames(env, names);

test.each([
  ['JWT_ACCES_EXPIRY', 'JWT_ACCESS_EXPIRY'],
  ['JTW_SECRET', 'JWT_SECRET'],
  ['CORS_ORIGIN', 'CORS_ORIGINS'],
  ['SALLYPORT_PROFIL', 'SALLYPORT_PROFILE'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['RATE_LIMIT_CREDENTIALS_PER_MINUTE', 'RATE_LIMIT_CREDENTIAL_PER_MINUTE'],
  // More than a letter or two, but begins as only settings do.
  ['JWT_EXPIRY', 'JWT_ACCESS_EXPIRY'],
  ['RATE_LIMIT_CREDENTIAL', 'RATE_LIMIT_CREDENTIAL_PER_MINUTE'],
])('%s is no setting: the nearest is %s', (name, nearest) => {
  expect(found({ [name]: '1' })).toEqual([{ name, nearest }]);
});

test.each(
  `PATH HOME HOSTNAME PORTS NODE_ENV REDIS_PORT REDIS_SERVICE_HOST DATABASE_PRIVATE_URL OTEL_SERVICE_NAME VAULT_CACERT
  AWS_PROFILE npm_config_cache SALLYPORT_API SALLYPORT_TOKEN SALLYPORT_ENV_FILE`.split(/\s+/),
)('%s belongs to another program, or is read elsewhere', (name) => expect(found({ [name]: '1' })).toEqual([]));

test('a name beside the setting that it resembles belongs to another program', () =>
  expect(found({ DATABASE_URL: 'postgresql:///a', DATABASE_URI: 'postgresql:///b' })).toEqual([]));

test('the patience of tests is known in a run of tests alone', () => {
  expect(found({ SALLYPORT_TEST_PATIENCE: '8', SALLYPORT_TEST_FOLDER: '/tmp/run' })).toEqual([]);
  expect(found({ SALLYPORT_TEST_PATIENCE: '8' })).toMatchObject([{ name: 'SALLYPORT_TEST_PATIENCE' }]);
  expect(() => loadProcessConfig({ SALLYPORT_TEST_PATIENCE: '8' })).toThrow(ConfigError);
});

test('an own prefix with no word of a setting still gets a suggestion', () =>
  expect(found({ SALLYPORT_VERBOSE: '1' })).toEqual([{ name: 'SALLYPORT_VERBOSE', nearest: expect.any(String) }]));

test('every name of a setting is known, and an unset variable is not looked at', () => {
  expect(found(Object.fromEntries(names.map((name) => [name, '1'])))).toEqual([]);
  expect(found({ JWT_ACCES_EXPIRY: undefined })).toEqual([]);
});

test('a process refuses a misspelt setting and says which one is near; an application that embeds Sallyport has an environment of its own', () => {
  const env = { JWT_ACCES_EXPIRY: '5m', LOG_LEVEL: 'loud' };
  expect(() => loadProcessConfig(env)).toThrow(ConfigError);
  expect(() => loadProcessConfig(env)).toThrow(
    /^JWT_ACCES_EXPIRY: is not a setting \(did you mean JWT_ACCESS_EXPIRY\? If not, unset it\); LOG_LEVEL: /,
  );
  expect(loadConfig({ JWT_ACCES_EXPIRY: '5m' }).tokens.accessTokenSeconds).toBe(900);
});
