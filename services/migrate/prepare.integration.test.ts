import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { newPerson, send, startIdentityHarness } from '#tools/testing/harness/identity.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { ensureAuthSecret, randomSecret } from '../platform/local/data-dir.ts';
import { prepare } from './prepare.ts';

let admin: pg.Client;
let databaseUrl: string;
let dataDir: string;

const redisUrl = testRedisUrl();
const log = (): void => {};

beforeAll(async () => {
  const url = new URL(inject('templateUrl'));
  url.pathname = '/postgres';
  admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
});
afterAll(() => admin.end());
beforeEach(async () => {
  const name = `prepare_${newPerson().password.replaceAll(/\W/g, '').toLowerCase()}`;
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${name}`;
  databaseUrl = url.href;
  dataDir = testFolder(onTestFinished);
});
afterEach(() => admin.query(`DROP DATABASE ${new URL(databaseUrl).pathname.slice(1)} WITH (FORCE)`));

const start = (env: Record<string, string> = {}) => prepare({ databaseUrl, redisUrl, dataDir, env, log });
const credentials = async () => JSON.parse(await readFile(join(dataDir, 'dev-credentials.json'), 'utf8'));
const rows = rawSql((text, values) => queryRows(databaseUrl)(text, values));

test('two concurrent starts on an empty database run the migrations once, and create one key and one of each demo row', async () => {
  const [one, two] = await Promise.all([start(), start()]);
  expect(one.migrations.length + two.migrations.length).toBe((await rows`SELECT 1 FROM _prisma_migrations`).length);
  expect(one.keysCreated.length + two.keysCreated.length).toBe(1);
  expect(one.credentialsFile).toBe(join(dataDir, 'dev-credentials.json'));
  expect(await rows`SELECT roles FROM users ORDER BY email`).toEqual([
    { roles: ['admin', 'agent', 'auditor', 'compliance', 'operator', 'user'] },
    { roles: ['user'] },
  ]);
  expect(await rows`SELECT count(*)::int FROM accounts`).toEqual([{ count: 2 }]);
});

test('dev-credentials.json works, has mode 0600, and stays the same at the next start', async () => {
  await start();
  const first = await credentials();
  expect((await stat(join(dataDir, 'dev-credentials.json'))).mode & 0o777).toBe(0o600);
  expect(Object.keys(first)).toEqual(['user', 'admin', 'client', 'database_url', 'redis_url']);
  expect([first.database_url, first.redis_url]).toEqual([databaseUrl, redisUrl]);
  const events = await rows`SELECT count(*) FROM audit_outbox`;
  const again = await start();
  expect([again.migrations, again.keysCreated]).toEqual([[], []]);
  expect(await credentials()).toEqual(first);
  expect(await rows`SELECT count(*) FROM audit_outbox`).toEqual(events);

  const harness = await startIdentityHarness({ databaseUrl, redisUrl, authSecret: ensureAuthSecret(dataDir) });
  try {
    for (const login of [first.user, first.admin])
      expect((await send(harness, 'POST', '/api/auth/signin', { body: login })).status).toBe(200);
    const client = harness.access.authenticateClient(first.client.client_id, first.client.client_secret);
    expect(client?.grant_types).toEqual(
      `authorization_code refresh_token client_credentials urn:ietf:params:oauth:grant-type:device_code
      urn:ietf:params:oauth:grant-type:token-exchange`.split(/\s+/),
    );
    for (const scope of ['tokens:issue', 'tokens:introspect', 'revocations:read', 'keys:manage', 'tasks:read'])
      expect(client?.credential_scopes).toContain(scope);
  } finally {
    await harness.close();
  }
});

test('a start with another secret gives the demo users other passwords', async () => {
  await start({ BETTER_AUTH_SECRET: 'a'.repeat(40), KEY_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64') });
  const first = await credentials();
  await start({ BETTER_AUTH_SECRET: 'b'.repeat(40), KEY_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64') });
  const second = await credentials();
  expect(second.user.password).not.toBe(first.user.password);
  expect(second.client.client_secret).not.toBe(first.client.client_secret);
  expect(await rows`SELECT count(*)::int FROM audit_outbox WHERE type = 'account.password_changed'`).toEqual([
    { count: 2 },
  ]);
});

test('a start outside the development profile creates keys, but no demo users, client or credentials file', async () => {
  const prepared = await start({
    SALLYPORT_PROFILE: 'staging',
    BETTER_AUTH_SECRET: 'c'.repeat(40),
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
  });
  expect(prepared.credentialsFile).toBeNull();
  expect(prepared.keysCreated).toHaveLength(1);
  expect(await rows`SELECT 1 FROM users`).toEqual([]);
  expect(await rows`SELECT 1 FROM oauth_clients WHERE "clientId" NOT IN ('sallyport', 'sallyport-console')`).toEqual(
    [],
  );
  await expect(stat(join(dataDir, 'dev-credentials.json'))).rejects.toThrow('ENOENT');
});

test('under production only, a second data directory is refused while processes of the first one run', async () => {
  const settings = {
    BETTER_AUTH_SECRET: randomSecret(),
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    BETTER_AUTH_URL: 'https://auth.sallyport.test',
  };
  const startIn = (folder: string, profile: string) =>
    prepare({ databaseUrl, redisUrl, dataDir: folder, env: { ...settings, SALLYPORT_PROFILE: profile }, log });
  await startIn(dataDir, 'production');
  const running = new pg.Client({ connectionString: databaseUrl, application_name: 'sallyport-main' });
  await running.connect();
  const elsewhere = testFolder(onTestFinished);
  try {
    await startIn(dataDir, 'production');
    await expect(startIn(elsewhere, 'production')).rejects.toThrow(/^MARK_STORE: is file under production while/);
    await startIn(elsewhere, 'staging');
  } finally {
    await running.end();
  }
});
