import { once } from 'node:events';
import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { version } from '../observability/version.ts';
import { readMigrations } from '../services/platform/postgres/migration-files.ts';
import { createEmptyDatabase, queryRows } from '../tools/testing/harness/ports.ts';
import { startCli } from '../tools/testing/processes/run-cli.ts';
import { KEK, openCliHarness } from './cli-harness.ts';

const harness = opened(() => openCliHarness({ SALLYPORT_BUILD: 'abc123' }));

const sallyport = (...args: readonly string[]) => harness.sallyport(args);

test('sallyport migrate up adds one row of history for a build, which releases list shows', async () => {
  await harness.json(['migrate', 'up']);
  await harness.json(['migrate', 'up']);
  const { releases } = await harness.json(['releases', 'list']);
  expect(releases).toEqual([
    {
      kind: 'deploy',
      version,
      build: 'abc123',
      schema_version: expect.stringMatching(/^\d{14}_/),
      started_at: expect.any(String),
      started_by: expect.stringMatching(/^sallyport migrate up as .+@/),
    },
  ]);
  expect((await sallyport('releases', 'list')).out).toMatch(new RegExp(`deploy +${version} +abc123`));
  expect((await sallyport('releases', 'list', '--limit', 'x')).code).toBe(2);
});

test('sallyport upgrade check prints what the migrations of a version did in a copy, and leaves no copy', async () => {
  await harness.ports.raw`INSERT INTO users (id, email) VALUES ('u1', 'ada@people.test')`;
  const checked = await harness.json(['upgrade', 'check', version]);
  expect(checked).toMatchObject({ version, pending: [], drift: [], rollback: null });
  expect(checked.rows_copied).toBeGreaterThan(10);
  const { out } = await sallyport('upgrade', 'check', version, '--rows', 'all');
  expect(out).toMatch(
    new RegExp(
      `^${version}: the database has every migration; tried in a copy with \\d+ rows\nsteps: none\nback: nothing to take back\n$`,
    ),
  );
  expect(await harness.ports.raw`SELECT 1 FROM pg_database WHERE datname LIKE 'sallyport\\_check%'`).toEqual([]);
});

test('kill -9 in the midst of an upgrade check changes nothing, and the next one drops the copy that it left', async () => {
  const { raw, transact } = harness.ports;
  const copies = () => raw`SELECT 1 FROM pg_database WHERE datname LIKE 'sallyport\\_check%'`;
  const stateOf = () => raw`SELECT * FROM _prisma_migrations ORDER BY migration_name`;
  const before = await stateOf();
  const child = startCli(['upgrade', 'check', version], {
    ...{ DATABASE_URL: harness.ports.databaseUrl, SALLYPORT_DATA_DIR: harness.dataDir },
    KEY_ENCRYPTION_KEY: KEK.toString('base64'),
  });
  const ended = once(child, 'close');
  await transact(async (tx) => {
    // It waits for the rows of a table.
    await tx.query({ name: 'lockUsers', text: 'LOCK TABLE users IN ACCESS EXCLUSIVE MODE', writes: true });
    const waits = () =>
      raw`SELECT FROM pg_stat_activity WHERE application_name = 'sallyport-upgrade-check'
        AND datname = current_database() AND wait_event_type = 'Lock'`;
    await expect.poll(waits, { timeout: 60_000, interval: 20 }).toHaveLength(1);
    expect(await copies()).toHaveLength(1);
    child.kill('SIGKILL');
    await ended;
  });
  await expect.poll(() => raw`SELECT FROM pg_stat_activity WHERE datname LIKE 'sallyport\\_check%'`).toEqual([]);
  expect(await copies()).toHaveLength(1);
  expect(await stateOf()).toEqual(before);
  await harness.json(['upgrade', 'check', version]);
  expect(await copies()).toEqual([]);
});

test('sallyport upgrade check refuses an unknown version, a newer database, and a schema that was changed by hand', async () => {
  const unknown = await sallyport('upgrade', 'check', '9.9.9');
  expect([unknown.code, unknown.err]).toEqual([5, expect.stringContaining('no version 9.9.9 is known')]);
  const later = `('1', '', now(), '29990101_later')`;
  await queryRows(harness.ports.databaseUrl)(
    `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name) VALUES ${later}`,
  );
  const newer = await sallyport('upgrade', 'check', version);
  expect([newer.code, newer.err]).toEqual([5, expect.stringContaining(`newer than ${version} (29990101_later)`)]);
  await queryRows(harness.ports.databaseUrl)`DELETE FROM _prisma_migrations WHERE id = '1'`;
  expect((await sallyport('upgrade', 'check', version, '--rows', 'x')).code).toBe(2);
  await queryRows(harness.ports.databaseUrl)`CREATE INDEX by_hand ON users (name)`;
  const changed = await sallyport('upgrade', 'check', version);
  expect([changed.code, changed.err]).toEqual([5, expect.stringContaining('by_hand')]);
  await queryRows(harness.ports.databaseUrl)`DROP INDEX by_hand`;
});

test('sallyport rollback refuses with the reason, asks first, and records what it did', async () => {
  const refused = await sallyport('rollback', '9.9.9', '--yes');
  expect([refused.code, refused.err]).toEqual([5, expect.stringContaining('no version 9.9.9 is known')]);
  expect((await sallyport('rollback', version)).code).toBe(4);
  const planned = await harness.json(['rollback', version, '--dry-run']);
  expect(planned).toEqual({ version, reason: `the schema is that of ${version}`, would_revert: [], kept: [] });
  expect((await harness.json(['releases', 'list'])).releases).toHaveLength(1);
  expect(await harness.json(['rollback', version, '--yes'])).toEqual({ version, reverted: [], kept: [] });
  expect((await harness.json(['releases', 'list'])).releases[0]).toMatchObject({ kind: 'rollback', version });
  const events = await harness.ports
    .raw`SELECT target_id FROM audit_outbox WHERE type = 'operations.release_rolled_back'`;
  expect(events).toEqual([{ target_id: version }]);
});

test('migrations that are pending are tried upwards in a copy, and a database without a history of releases says so', async () => {
  const empty = await createEmptyDatabase(harness.ports.databaseUrl);
  const env = { DATABASE_URL: empty.url };
  try {
    const names = (await readMigrations()).map(({ name }) => name);
    const checked = await harness.json(['upgrade', 'check', version], env);
    expect(checked).toMatchObject({ pending: names, drift: [], holds: [], rollback: null });
    expect(checked.steps.slice(0, names.length)).toMatchObject(
      names.map((migration) => ({ migration, direction: 'up', refusals: [] })),
    );
    const { out } = await harness.sallyport(['upgrade', 'check', version, '--steps'], env);
    const lines = out.trimEnd().split('\n');
    expect(lines.slice(0, 3).map((line) => line.split(':', 1)[0])).toEqual([version, 'steps', 'back']);
    expect(lines[1]).toMatch(/^steps: \d+, the longest \d+ ms \(\d+_\w+ \w+\); /);
    expect(lines.slice(3)).toContainEqual(expect.stringMatching(/^up +\d+_\w+ +\d+ ms$/));
    expect(await queryRows(empty.url)`SELECT to_regclass('users') AS users`).toEqual([{ users: null }]);
    const missing = await harness.sallyport(['releases', 'list'], env);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('no releases yet')]);
  } finally {
    await empty.drop();
  }
});
