// About: services/wings/recovery/backup/
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { createFileMarks } from '../services/platform/marks/file-marks.ts';
import { newPerson } from '../tools/testing/flows/people.ts';
import { type ApiCopy, type ApiHarness, newClient, openApiHarness } from '../tools/testing/harness/api.ts';
import { createTestPorts, type TestPorts } from '../tools/testing/harness/ports.ts';
import { onServer, testRedisUrl } from '../tools/testing/harness/stores.ts';
import type { Json } from '../tools/testing/http-client.ts';
import { runCli, startCli } from '../tools/testing/processes/run-cli.ts';

const KEK = Buffer.alloc(32, 9).toString('base64');

let harness: ApiHarness;
let copy: ApiCopy;
const folder = testFolder();
const backup = join(folder, 'backup');
const keyFile = join(folder, 'backup.key');
/** What was in force when the backup was made. */
let before: {
  readonly tokens: { access_token: string; refresh_token: string };
  readonly revoked: { access_token: string };
};
const databases: string[] = [];

/** An empty database, on the same server. */
async function emptyDatabase(): Promise<string> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  await onServer((admin) => admin.query(`CREATE DATABASE ${name}`));
  databases.push(name);
  const url = new URL(harness.databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

const envOf = (dataDir: string, databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  SALLYPORT_DATA_DIR: dataDir,
  KEY_ENCRYPTION_KEY: KEK,
  NO_COLOR: '1',
});
const newDataDir = () => mkdtemp(join(folder, 'data-'));
const restoreArgs = (into: string, from = backup, key = keyFile) => [
  'restore',
  '--from',
  from,
  '--key-file',
  key,
  '--into',
  into,
];
const restore = async (
  into: string,
  {
    dataDir,
    from,
    key,
    env,
    args = [],
  }: { dataDir?: string; from?: string; key?: string; env?: Record<string, string>; args?: string[] } = {},
) =>
  runCli([...restoreArgs(into, from, key), '--json', ...args], {
    ...envOf(dataDir ?? (await newDataDir()), harness.databaseUrl),
    ...env,
  });

async function call(to: ApiCopy, path: string, body: object, basic?: string): Promise<{ status: number; body: Json }> {
  const response = await fetch(to.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(basic ? { authorization: basic } : {}) },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}
let basic: string;
const issue = async () => {
  const { status, body } = await call(copy, '/v1/tokens', { user_id: 'alice' }, basic);
  expect(status, JSON.stringify(body)).toBe(201);
  return body as { access_token: string; refresh_token: string };
};
const rowsOf = async (url: string, work: (ports: TestPorts) => Promise<unknown>): Promise<void> => {
  const ports = createTestPorts(url);
  await work(ports).finally(() => ports.end());
};

beforeAll(async () => {
  harness = await openApiHarness();
  copy = await harness.startCopy({ hashes: false, env: { KEY_ENCRYPTION_KEY: KEK } });
  await newPerson(copy);
  const client = await newClient(copy, ['tokens:issue', 'tokens:revoke']);
  basic = client.basic;
  // Several pieces, so that damage shows in the midst of the restore.
  await harness.rows`INSERT INTO users (id, email) SELECT 'u' || n, sha512(n::text::bytea)::text || '@example.test'
    FROM generate_series(1, 5000) n`;
  await harness.rows`INSERT INTO users (id, email) VALUES ('alice', 'alice@example.test')`;
  const tokens = await issue();
  const revoked = await issue();
  expect((await call(copy, '/v1/tokens/revoke', { token: revoked.access_token, reason: 'stolen' }, basic)).status).toBe(
    200,
  );
  before = { tokens, revoked };
  await writeFile(keyFile, randomBytes(32));
  const made = await runCli(
    ['backup', '--out', backup, '--key-file', keyFile],
    envOf(await newDataDir(), harness.databaseUrl),
  );
  expect(made.code, made.err).toBe(0);
});
afterAll(async () => {
  await harness?.close();
  for (const name of databases) await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
});

describe('sallyport restore --from', () => {
  test('without high-water marks, every earlier token is refused, sign-in goes on, and the restore is recorded', async () => {
    const into = await emptyDatabase();
    const dataDir = await newDataDir();
    const { code, out, err } = await restore(into, { dataDir, args: ['--verify'] });
    expect(code, err).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({
      standing: 'new',
      missing: null,
      verified: true,
      cut_off: { ended: { families: expect.any(Number) } },
    });
    expect(report.cut_off.ended.families).toBeGreaterThanOrEqual(1);
    expect((await createFileMarks(dataDir).read())?.incarnation).toBe(report.cut_off.incarnation);
    await rowsOf(into, async ({ raw }) => {
      const [row] = await raw`SELECT (SELECT count(*)::int FROM refresh_families WHERE revoked_at IS NULL) AS families,
        (SELECT count(*)::int FROM audit_outbox WHERE type = 'operations.backup_restored') AS restored,
        (SELECT count(*)::int FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgenabled <> 'O'
          AND c.relnamespace = 'public'::regnamespace) AS disabled,
        (SELECT count(*)::int FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
          AND convalidated) AS keys`;
      const [source] = await harness.rows`SELECT count(*)::int AS keys FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace`;
      expect(row).toEqual({ families: 0, restored: 1, disabled: 0, keys: source?.keys });
    });
    const started = await harness.startCopy({
      hashes: false,
      databaseUrl: into,
      marksDir: dataDir,
      env: { KEY_ENCRYPTION_KEY: KEK },
      redisUrl: testRedisUrl(),
    });
    for (const token of [before.tokens.access_token, before.revoked.access_token])
      expect((await call(started, '/v1/tokens/validate', { token })).body).toMatchObject({ active: false });
    expect((await call(started, '/v1/tokens/refresh', { refresh_token: before.tokens.refresh_token })).status).toBe(
      401,
    );
    const fresh = await call(started, '/v1/tokens', { user_id: 'alice' }, basic);
    expect(fresh.status).toBe(201);
    expect((await call(started, '/v1/tokens/validate', { token: fresh.body.access_token })).body).toMatchObject({
      active: true,
    });
  });

  test('with marks at the backup, it serves as it is: what was valid stays valid, what was revoked stays revoked', async () => {
    const into = await emptyDatabase();
    const dataDir = await newDataDir();
    const made = JSON.parse((await runCli(['backup', 'verify', backup, '--key-file', keyFile, '--json'], {})).out);
    const { incarnation, revocation_epoch: revocationEpoch, beat } = made;
    await createFileMarks(dataDir).raise({ incarnation, revocationEpoch, beat });
    const { code, out, err } = await restore(into, { dataDir });
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      standing: 'current',
      cut_off: null,
      missing: { revocations: null, beats: 0, events: null },
    });
    const started = await harness.startCopy({
      hashes: false,
      databaseUrl: into,
      marksDir: dataDir,
      env: { KEY_ENCRYPTION_KEY: KEK },
      redisUrl: testRedisUrl(),
    });
    expect((await call(started, '/v1/tokens/validate', { token: before.tokens.access_token })).body).toMatchObject({
      active: true,
    });
    expect((await call(started, '/v1/tokens/validate', { token: before.revoked.access_token })).body).toEqual({
      active: false,
      reason: 'revoked',
    });
  });

  test('with newer marks it says exactly what is missing, and the loss must be accepted', async () => {
    const into = await emptyDatabase();
    const dataDir = await newDataDir();
    const made = JSON.parse((await runCli(['backup', 'verify', backup, '--key-file', keyFile, '--json'], {})).out);
    await createFileMarks(dataDir).raise({
      incarnation: made.incarnation,
      revocationEpoch: made.revocation_epoch + 2,
      beat: made.beat + 5,
    });
    const { code, out, err } = await restore(into, { dataDir });
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      standing: 'rewound',
      installation: { incarnation: made.incarnation, log_origin: null },
      cut_off: null,
      missing: { revocations: { count: 2, from: made.revocation_epoch + 1, to: made.revocation_epoch + 2 }, beats: 5 },
    });
    const state = await runCli(['restore', '--json'], envOf(dataDir, into));
    expect([state.code, JSON.parse(state.out).standing]).toEqual([1, 'rewound']);
    const accepted = await runCli(['restore', '--accept-loss', '--yes', '--json'], envOf(dataDir, into));
    expect(accepted.code, accepted.err).toBe(0);
  });

  test('refuses, each with its own code, and changes nothing', async () => {
    const into = await emptyDatabase();
    const bytes = await readFile(backup);
    const changed = Buffer.from(bytes);
    const late = changed.length - 70_000;
    changed[late] = (changed[late] as number) ^ 1;
    expect(changed.equals(bytes)).toBe(false);
    await writeFile(join(folder, 'changed'), changed);
    await writeFile(join(folder, 'cut'), bytes.subarray(0, bytes.length - 5_000));
    await writeFile(join(folder, 'other.key'), randomBytes(32));
    const foreign = await newDataDir();
    await createFileMarks(foreign).raise({
      incarnation: '00000000-0000-4000-8000-000000000001',
      revocationEpoch: 1,
      beat: 1,
    });
    for (const [exit, why, how] of [
      [1, 'backup_damaged', { from: join(folder, 'changed') }],
      [1, 'backup_truncated', { from: join(folder, 'cut') }],
      [1, 'backup_key_wrong', { key: join(folder, 'other.key') }],
      [5, 'backup_other_installation', { dataDir: foreign }],
      [5, 'backup_other_installation', { env: { KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64') } }],
    ] as const) {
      const { code, err } = await restore(into, how);
      expect([code, err], why).toEqual([exit, expect.stringContaining(why)]);
    }
    await rowsOf(into, async ({ raw }) => {
      expect(await raw`SELECT 1 FROM users`).toEqual([]);
    });
    const used = await restore(harness.databaseUrl);
    expect([used.code, used.err]).toEqual([5, expect.stringContaining('restore_target_used')]);
    const dry = await restore(into, { args: ['--dry-run'] });
    const installation = { incarnation: expect.any(String), log_origin: null };
    const planned = { from: backup, is_target_empty: true, created_at: expect.any(String), installation };
    expect([dry.code, JSON.parse(dry.out)]).toEqual([0, planned]);
    // The dry run asks what the restore asks.
    const refused = await restore(harness.databaseUrl, { args: ['--dry-run'] });
    expect([refused.code, refused.err]).toEqual([used.code, used.err]);
    const unnamed = await runCli(['restore', '--from', backup], envOf(foreign, harness.databaseUrl));
    expect(unnamed.code).toBe(2);
  });

  test('kill -9 in the midst of the rows leaves an empty database, and the restore can be repeated', async () => {
    const into = await emptyDatabase();
    const bytes = await readFile(backup);
    // A pipe that ends at two thirds holds the restore in its midst.
    const pipe = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const child = startCli(restoreArgs(into, pipe), envOf(await newDataDir(), harness.databaseUrl));
    const writer = createWriteStream(pipe);
    writer.on('error', () => {});
    writer.write(bytes.subarray(0, Math.floor((bytes.length * 2) / 3)));
    await rowsOf(into, async ({ raw }) => {
      const filling = () =>
        raw`SELECT FROM pg_stat_activity WHERE application_name = 'sallyport-restore' AND datname = current_database()
          AND state LIKE 'idle in %' AND query LIKE 'COPY %'`;
      await expect.poll(filling, { timeout: 120_000, interval: 20 }).toHaveLength(1);
      child.kill('SIGKILL');
      await new Promise((done) => child.once('close', done));
      writer.destroy();
      await expect.poll(filling, { timeout: 60_000 }).toHaveLength(0);
      expect(await raw`SELECT 1 FROM users`).toEqual([]);
    });
    const again = await restore(into, { args: ['--verify'] });
    expect(again.code, again.err).toBe(0);
    expect(JSON.parse(again.out)).toMatchObject({ integrity: { valid: true, orphans: 0 } });
  });

  test('of two operators who restore at once, one wins; kill -9 in the midst leaves a database that can be restored into', async () => {
    const into = await emptyDatabase();
    const env = envOf(await newDataDir(), harness.databaseUrl);
    const child = startCli(restoreArgs(into), env);
    await rowsOf(into, async ({ raw }) => {
      const locks = () =>
        raw`SELECT FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()
          WHERE locktype = 'advisory' AND objid = 72707380 AND granted`;
      await expect.poll(locks, { timeout: 60_000, interval: 5 }).toHaveLength(1);
      child.kill('SIGSTOP');
      const second = await restore(into);
      expect([second.code, second.err]).toEqual([5, expect.stringContaining('restore_in_progress')]);
      child.kill('SIGKILL');
      await new Promise((done) => child.once('close', done));
      await expect.poll(locks, { timeout: 60_000 }).toHaveLength(0);
    });
    const again = await restore(into);
    expect(again.code, again.err).toBe(0);
  });
});
