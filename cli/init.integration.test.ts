import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createEmptyDatabase } from '#tools/testing/harness/ports.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const ADMIN = 'ada@example.test';
const used = opened(createTestDatabase);
const database = opened(() => createEmptyDatabase(used.url));
const redis = testRedisUrl();
const folder = testFolder();
const env = { SALLYPORT_DATA_DIR: join(folder, 'data'), SALLYPORT_ENV_FILE: join(folder, 'a b', 'settings') };
const init = (...args: string[]) => runCli(['init', '--json', ...args], env);

test.each([
  ['no administrator', [], 2, '--admin is missing'],
  ['a dry run', ['--admin', ADMIN, '--dry-run'], 0, 'nothing was done'],
  ['no mail address', ['--admin', 'ada'], 2, 'not an e-mail address'],
  ['no address', ['--admin', ADMIN, '--url', 'ftp://x'], 5, 'BETTER_AUTH_URL must be an http or https URL'],
  ['a public address without TLS', ['--admin', ADMIN, '--url', 'HTTP://auth.example'], 5, 'BETTER_AUTH_URL'],
  ['a key file that is there', ['--admin', ADMIN, '--key-file', folder], 5, 'exists'],
  ['a value that no quotes hold', ['--admin', ADMIN, '--database', `postgres://a:'"\`@b/c`], 5, 'cannot hold'],
  ['a database that is away', ['--admin', ADMIN, '--database', 'postgres://a:b@127.0.0.1:1/c'], 3, 'does not answer'],
])('%s says so, and leaves nothing behind', async (_what, args, code, err) => {
  expect(await init(...args)).toMatchObject({ code, err: expect.stringContaining(err) });
  for (const path of Object.values(env)) expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
});

test('writes settings and a key, invites the administrator, and creates a client that gets a token', async () => {
  const args = ['--admin', ADMIN, '--database', database.url, '--redis', redis];
  const made = await init(...args);
  expect(made, made.err).toMatchObject({ code: 0 });
  const { settings, key_file: keyFile, client_id, client_secret } = JSON.parse(made.out);
  expect(settings).toBe(env.SALLYPORT_ENV_FILE);
  for (const path of [settings, keyFile]) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(settings, 'utf8')).not.toContain(readFileSync(keyFile, 'utf8'));
  expect(await init(...args)).toMatchObject({ code: 5, err: expect.stringContaining('has settings already') });
  const elsewhere = { ...env, SALLYPORT_ENV_FILE: join(folder, 'other'), SALLYPORT_DATA_DIR: join(folder, 'others') };
  const taken = ['init', '--admin', ADMIN, '--database', used.url, '--redis', redis];
  expect(await runCli(taken, elsewhere)).toMatchObject({
    code: 5,
    err: expect.stringContaining('has an installation already'),
  });
  const outranked = await runCli(taken, { ...elsewhere, KEY_ENCRYPTION_KEY: 'x' });
  expect(outranked).toMatchObject({ code: 5, err: expect.stringContaining('KEY_ENCRYPTION_KEY is set') });
  for (const path of Object.values(elsewhere)) expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  const product = await startProduct({ dataDir: env.SALLYPORT_DATA_DIR, env: { ...env, WORKER_COPIES: '0' } });
  try {
    const form = { grant_type: 'client_credentials' };
    const answer = await send(product.api, 'POST', '/oauth2/token', { basic: { client_id, client_secret }, form });
    expect(answer.status, answer.text).toBe(200);
    const { out } = await runCli(['users', 'show', ADMIN, '--json'], { ...env, DATABASE_URL: database.url });
    expect(JSON.parse(out)).toMatchObject({ email: ADMIN, email_verified_at: null });
  } finally {
    await product.dispose();
  }
});
