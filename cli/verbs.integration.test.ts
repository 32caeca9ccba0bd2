import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createEmptyDatabase, queryRows } from '../tools/testing/harness/ports.ts';
import { startProduct } from '../tools/testing/harness/product.ts';
import { type CliRun, runCli } from '../tools/testing/processes/run-cli.ts';

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const folder = testFolder();
const product = opened(() => startProduct({ clusterDir: inject('clusterDir') }));

/** Runs the command line on the product's data directory; `input` is its standard input. */
const sallyport = (args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Promise<CliRun> =>
  runCli(args, { SALLYPORT_DATA_DIR: product.dataDir, ...env }, input);

const piped = (args: readonly string[], token: string): Promise<CliRun> => sallyport(args, {}, `${token}\n`);

/** Runs a verb that must succeed, and returns the one line that it prints with --json. */
async function json(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, out, err } = await sallyport([...args, '--json'], env);
  expect(code, out + err).toBe(0);
  expect(out.trimEnd().split('\n')).toHaveLength(1);
  return JSON.parse(out);
}

async function issued(): Promise<string> {
  const { code, out, err } = await sallyport(['token', 'issue']);
  expect(code, err).toBe(0);
  expect(out.trim()).toMatch(JWT);
  return out.trim();
}

const signIn = (): Promise<Response> =>
  fetch(`${product.api}/api/auth/signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(product.credentials.user),
  });

async function demoUserId(): Promise<string> {
  const answer = await signIn();
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { user: { id: string } }).user.id;
}

describe('on a running product', () => {
  test('doctor reports no failure', async () => {
    const { checks } = (await json(['doctor'])) as { checks: { name: string; result: string; evidence: string }[] };
    expect(checks.map(({ name }) => name)).toEqual([
      'configuration',
      'data directory',
      'code',
      'client address',
      ...'redis postgres shell pooler replica clock migrations'.split(' '),
      'signing keys',
      'database roles',
      'clients',
      'client certificates',
      'marks',
      'audit log',
      'audit sinks',
      'audit recomputed',
      ...'jobs mail api address wings production advisories'.split(' '),
    ]);
    expect(checks.filter(({ result }) => result !== 'pass' && result !== 'warn')).toEqual([]);
    expect(checks.find(({ name }) => name === 'signing keys')?.evidence).toBe('1 signing of 1');
  });

  test('doctor names a variable that a start would refuse, and ends with 1', async () => {
    const { code, out } = await sallyport(['doctor'], { JWT_ACCESS_EXPIRY: 'abc' });
    expect(code).toBe(1);
    expect(out).toMatch(/^fail +configuration +JWT_ACCESS_EXPIRY must be a whole number/m);
    expect(out).toMatch(/fix: JWT_ACCESS_EXPIRY: /);
  });

  test('status prints the running processes with their pids', async () => {
    expect(await json(['status'])).toMatchObject({
      data_dir: product.dataDir,
      postgres: 'running',
      redis: 'running',
      running: [
        {
          pid: product.supervisorPid,
          api: product.api,
          ready: true,
          children: [
            { name: 'api-1', pid: product.ready.pids.api, ready: true },
            { name: 'worker-1', pid: product.ready.pids.worker, ready: true },
          ],
        },
      ],
    });
    const plain = await sallyport(['status']);
    expect(plain.code).toBe(0);
    expect(plain.out).toContain(`${product.api}  ready  (supervisor pid ${product.supervisorPid}`);
  });

  test('keys list prints the active key that the API publishes', async () => {
    const { keys } = await json(['keys', 'list']);
    expect(keys).toMatchObject([{ state: 'active' }]);
    const [header] = (await issued()).split('.');
    expect(JSON.parse(Buffer.from(header ?? '', 'base64url').toString()).kid).toBe(keys[0].kid);
  });

  test('migrate status lists every migration as applied, and migrate up has nothing to do', async () => {
    const { migrations } = (await json(['migrate', 'status'])) as { migrations: { state: string }[] };
    expect(migrations.length).toBeGreaterThan(0);
    expect(new Set(migrations.map(({ state }) => state))).toEqual(new Set(['applied']));
    expect(await sallyport(['migrate', 'up'])).toMatchObject({ code: 0, out: 'nothing to do\n' });
  });

  test('migrate up --dry-run leaves an empty database as it is; migrate up creates the schema', async () => {
    const empty = await createEmptyDatabase(product.credentials.database_url);
    onTestFinished(() => empty.drop());
    const env = { DATABASE_URL: empty.url };
    const rehearsal = await sallyport(['migrate', 'up', '--dry-run', '--json'], env);
    expect(rehearsal.code, rehearsal.err).toBe(1);
    const { migrations } = JSON.parse(rehearsal.out) as { migrations: { name: string; state: string }[] };
    expect(new Set(migrations.map(({ state }) => state))).toEqual(new Set(['pending']));
    expect(await queryRows(empty.url)`SELECT to_regclass('users') AS users`).toEqual([{ users: null }]);
    expect(await json(['migrate', 'up'], env)).toEqual({ applied: migrations.map(({ name }) => name) });
    expect(await queryRows(empty.url)`SELECT * FROM users`).toEqual([]);
    expect((await sallyport(['migrate', 'status'], env)).code).toBe(0);
    // A later version migrated first, as in a rolling deploy: this version can still run.
    await queryRows(empty.url)`INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name)
      VALUES ('1', '', now(), '29990101_later')`;
    const later = await sallyport(['migrate', 'status'], env);
    expect(later).toMatchObject({ code: 0, out: expect.stringMatching(/^unknown +29990101_later$/m) });
  });

  test('migrate up and doctor refuse a database with other migrations, and name the fix', async () => {
    const other = await createEmptyDatabase(product.credentials.database_url);
    onTestFinished(() => other.drop());
    const env = { DATABASE_URL: other.url };
    await sallyport(['migrate', 'status'], env);
    await queryRows(other.url)`INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name)
      VALUES ('1', '', now(), '20200101_first')`;
    const refused = await sallyport(['migrate', 'up'], env);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/^sallyport: the database holds migrations .*20200101_first.*\n {2}fix: .*\n$/);
    const { checks } = JSON.parse((await sallyport(['doctor', '--json'], env)).out);
    expect(checks.find(({ name }: { name: string }) => name === 'migrations')).toMatchObject({
      result: 'fail',
      fix: expect.stringContaining('an empty database'),
    });
  });

  test('demo env prints the variables of the tour for a shell', async () => {
    const { user, client } = product.credentials;
    expect(await json(['demo', 'env'])).toMatchObject({
      API: product.api,
      DEMO_EMAIL: user.email,
      DEMO_PASSWORD: user.password,
      CLIENT_ID: client.client_id,
      CLIENT_SECRET: client.client_secret,
    });
    const { out } = await sallyport(['demo', 'env']);
    expect(out).toContain(`export API='${product.api}'\n`);
    expect(out.trimEnd().split('\n')).toHaveLength(8);
  });

  test('demo seed creates a missing demo user again, with the same password', async () => {
    const { database_url, user } = product.credentials;
    expect((await signIn()).status).toBe(200);
    await queryRows(database_url)`DELETE FROM users WHERE email = ${user.email}`;
    expect((await signIn()).status).toBe(401);
    expect(await json(['demo', 'seed'])).toEqual({ credentials_file: product.ready.credentials_file, migrations: [] });
    expect(JSON.parse(readFileSync(product.ready.credentials_file, 'utf8')).user).toEqual(user);
    expect((await signIn()).status).toBe(200);
  });

  test('demo seed --users gives test users whose password and refresh tokens work, and keeps their password', async () => {
    const seeded = await json(['demo', 'seed', '--users', '3']);
    expect(seeded).toMatchObject({ users: 3, users_file: join(product.dataDir, 'load-users.json') });
    const read = () => JSON.parse(readFileSync(seeded.users_file, 'utf8'));
    const { password, users, test_data } = read();
    expect([test_data, statSync(seeded.users_file).mode & 0o777]).toEqual([true, 0o600]);
    const post = (path: string, body: object): Promise<Response> =>
      fetch(product.api + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await post('/api/auth/signin', { email: users[2].email, password })).status).toBe(200);
    const pair = await post('/v1/tokens/refresh', { refresh_token: users[0].refresh_token });
    expect(pair.status).toBe(200);
    const { access_token } = (await pair.json()) as { access_token: string };
    expect(await (await post('/v1/tokens/validate', { token: access_token })).json()).toMatchObject({
      active: true,
      claims: { sub: users[0].user_id, sid: users[0].session_id },
    });
    await json(['demo', 'seed', '--users', '3']);
    expect(read().password).toBe(password);
    expect(read().users[1].refresh_token).not.toBe(users[1].refresh_token);
  });

  test('demo seed --users refuses a count out of range, and a production installation', async () => {
    expect((await sallyport(['demo', 'seed', '--users', '0'])).code).toBe(2);
    const refused = await sallyport(['demo', 'seed', '--users', '1'], {
      SALLYPORT_PROFILE: 'production',
      BETTER_AUTH_URL: 'https://auth.example.test',
      BETTER_AUTH_SECRET: randomBytes(32).toString('base64'),
      KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    });
    // Its shell says that it is another installation than the one that runs.
    expect(refused).toMatchObject({ code: 5, err: expect.stringContaining('SALLYPORT_PROFILE is production here') });
  });
});

describe('tokens', () => {
  test('an issued token is active until it is revoked', async () => {
    const token = await issued();
    const active = await piped(['token', 'validate', '-'], token);
    expect(active.code, active.err).toBe(0);
    expect(active.out).toMatch(/^active\n/);

    const revoked = await piped(['token', 'revoke', '-'], token);
    expect(revoked.code, revoked.err).toBe(0);
    expect(revoked.out).toMatch(/^revoked at epoch \d+\n$/);
    const inactive = await piped(['token', 'validate', '-'], token);
    expect(inactive.code).toBe(1);
    expect(inactive.out).toMatch(/^inactive: \S+\n$/);
  });

  test('issue --user issues a pair for that user, and inspect reads it without verification', async () => {
    const id = await demoUserId();
    const pair = await json(['token', 'issue', '--user', id]);
    expect(pair.access_token).toMatch(JWT);
    expect(pair.refresh_token).toEqual(expect.any(String));
    const { code, out, err } = await piped(['token', 'inspect', '-'], pair.access_token);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ header: { alg: expect.any(String) }, claims: { sub: id } });
    expect(err).toContain('not verified');
    const refresh = await piped(['token', 'inspect', '-'], pair.refresh_token);
    expect(refresh).toMatchObject({ code: 1, out: '' });
  });

  test.each([
    ['passed as an argument', 'abc', ''],
    ['missing on standard input', '-', '\n'],
  ])('a token %s is a usage error: 2', async (_, argument, input) => {
    const run = await sallyport(['token', 'validate', argument], {}, input);
    expect(run).toMatchObject({ code: 2, out: '' });
    expect(run.err).toContain('standard input');
  });

  test('a refusal by the API ends the command with 5 and the code of the error', async () => {
    const run = await sallyport(['token', 'issue'], { CLIENT_ID: 'unknown', CLIENT_SECRET: 'nothing' });
    expect(run).toMatchObject({ code: 5, out: '' });
    expect(run.err).toContain('(client_unauthenticated)');
  });
});

describe('config', () => {
  const canary = 'canary-4f7b1c9e-of-more-than-thirty-two-characters';

  test('print marks the settings that are set and never shows a secret, as text and as JSON', async () => {
    const env = { BETTER_AUTH_SECRET: canary, PORT: '4123' };
    const plain = await sallyport(['config', 'print'], env);
    expect(plain.code, plain.err).toBe(0);
    expect(plain.out).toMatch(/^\* PORT=4123$/m);
    expect(plain.out).toMatch(/^\* BETTER_AUTH_SECRET=\[redacted\]$/m);
    expect(plain.out + plain.err).not.toContain(canary);
    const { settings } = await json(['config', 'print'], env);
    expect(settings).toContainEqual(expect.objectContaining({ env: 'PORT', value: 4123, set: true }));
    expect(settings).toContainEqual(expect.objectContaining({ env: 'BETTER_AUTH_SECRET', value: '[redacted]' }));
    expect(JSON.stringify(settings)).not.toContain(canary);
  });

  test('print ends with 1 if a start would refuse the settings', async () => {
    const run = await sallyport(['config', 'print'], { PORT: 'many' });
    expect(run.code).toBe(1);
    expect(run.out).toMatch(/^\* PORT=unreadable: /m);
    expect(run.err).toContain('PORT');
  });

  test('explain prints the value and the use of one setting, and ends with 2 for an unknown one', async () => {
    const run = await sallyport(['config', 'explain', 'port']);
    expect(run).toEqual({ code: 0, out: 'PORT=3000  (default)\nPort the API listens on.\n', err: '' });
    const unknown = await sallyport(['config', 'explain', 'nope']);
    expect(unknown).toMatchObject({ code: 2, out: '' });
    expect(unknown.err).toMatch(/unknown setting nope\n {2}fix: sallyport config print/);
  });
});

test.each([
  [['token', 'issue'], 3],
  [['doctor'], 1],
  [['status'], 3],
])('with nothing running, %j ends with %i and names the fix', async (args, code) => {
  const run = await sallyport(args, { SALLYPORT_DATA_DIR: join(folder, 'data') });
  expect(run.code, run.out + run.err).toBe(code);
  expect(run.out + run.err).toContain('npm start');
});
