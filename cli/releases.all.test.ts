import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { version } from '../observability/version.ts';
import { applyMigration, prepareHistory } from '../services/platform/postgres/migrate.ts';
import { readMigrations } from '../services/platform/postgres/migration-files.ts';
import { createEmptyDatabase, queryRows } from '../tools/testing/harness/ports.ts';
import { startCli } from '../tools/testing/processes/run-cli.ts';
import { type CliHarness, KEK, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
beforeAll(async () => {
  harness = await openCliHarness({ SALLYPORT_BUILD: 'abc123' });
});
afterAll(() => harness?.close());

const sallyport = (...args: readonly string[]) => harness.sallyport(args);
const BEFORE = '0.1.0';
/** Its last migration. */
const BASELINE = '20261125000200_client_uri';

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
  await harness.ports.raw(`INSERT INTO users (id, email) VALUES ('u1', 'ada@people.test')`);
  const checked = await harness.json(['upgrade', 'check', version]);
  expect(checked).toMatchObject({ version, pending: [], drift: [], rollback: null });
  expect(checked.rows_copied).toBeGreaterThan(10);
  const { out } = await sallyport('upgrade', 'check', version, '--rows', 'all');
  expect(out).toContain(`the database has every migration of ${version}`);
  expect(await harness.ports.raw(`SELECT 1 FROM pg_database WHERE datname LIKE 'sallyport\\_check%'`)).toEqual([]);
});

test('kill -9 in the midst of an upgrade check changes nothing, and the next one drops the copy that it left', async () => {
  const { raw, transact } = harness.ports;
  const copies = () => raw(`SELECT 1 FROM pg_database WHERE datname LIKE 'sallyport\\_check%'`);
  const stateOf = () => raw('SELECT * FROM _prisma_migrations ORDER BY migration_name');
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
      raw(
        `SELECT FROM pg_stat_activity WHERE application_name = 'sallyport-upgrade-check' AND datname = current_database() AND wait_event_type = 'Lock'`,
      );
    await expect.poll(waits, { timeout: 60_000, interval: 20 }).toHaveLength(1);
    expect(await copies()).toHaveLength(1);
    child.kill('SIGKILL');
    await ended;
  });
  await expect.poll(() => raw(`SELECT FROM pg_stat_activity WHERE datname LIKE 'sallyport\\_check%'`)).toEqual([]);
  expect(await copies()).toHaveLength(1);
  expect(await stateOf()).toEqual(before);
  await harness.json(['upgrade', 'check', version]);
  expect(await copies()).toEqual([]);
});

test('sallyport upgrade check refuses an unknown version, an older one, and a schema that was changed by hand', async () => {
  const unknown = await sallyport('upgrade', 'check', '9.9.9');
  expect([unknown.code, unknown.err]).toEqual([5, expect.stringContaining('no version 9.9.9 is known')]);
  const older = await sallyport('upgrade', 'check', BEFORE);
  expect([older.code, older.err]).toEqual([5, expect.stringContaining(`newer than ${BEFORE}`)]);
  expect((await sallyport('upgrade', 'check', version, '--rows', 'x')).code).toBe(2);
  await queryRows(harness.ports.databaseUrl, 'CREATE INDEX by_hand ON users (name)');
  const changed = await sallyport('upgrade', 'check', version);
  expect([changed.code, changed.err]).toEqual([5, expect.stringContaining('by_hand')]);
  await queryRows(harness.ports.databaseUrl, 'DROP INDEX by_hand');
});

/** Rows that a rollback would lose, by the table that holds them. */
const HELD = {
  alert_targets: `INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated)
    VALUES (gen_random_uuid(), 'x', 'mail', '', '', '{}', '{high}', 'UTC', false)`,
  // One that may name our ids; another is held back by the migration of that column before.
  signal_transmitters: `INSERT INTO signal_transmitters (id, issuer, jwks_uri, audience, match_email, own_ids)
    VALUES (gen_random_uuid(), 'https://a.test', '', 'x', true, true)`,
  signal_streams: `INSERT INTO signal_streams (id, owner, audience, method, events)
    VALUES (gen_random_uuid(), 'client:x', 'x', 'urn:ietf:rfc:8936', '{}')`,
};

test.each(Object.entries(HELD))(
  'rows of %s refuse a rollback and its dry run alike, and the check of the running version says so',
  async (table, insert) => {
    await harness.ports.raw(insert);
    const before = await harness.ports.raw('SELECT * FROM _prisma_migrations ORDER BY id');
    for (const how of ['--dry-run', '--yes']) {
      const refused = await sallyport('rollback', '0.2.0', how);
      expect([refused.code, refused.err]).toEqual([5, expect.stringMatching(/ exist: .*; nothing has changed/)]);
    }
    expect(await harness.ports.raw('SELECT * FROM _prisma_migrations ORDER BY id')).toEqual(before);
    const checked = await harness.json(['upgrade', 'check', version]);
    expect(checked).toMatchObject({ pending: [], rollback: null, holds: [expect.stringContaining('exist')] });
    await harness.ports.raw(`DELETE FROM ${table}`);
  },
);

test('sallyport rollback refuses with the reason, asks first, and records what it did', async () => {
  const refused = await sallyport('rollback', '9.9.9', '--yes');
  expect([refused.code, refused.err]).toEqual([5, expect.stringContaining('no version 9.9.9 is known')]);
  expect((await sallyport('rollback', BEFORE)).code).toBe(4);
  const planned = await harness.json(['rollback', BEFORE, '--dry-run']);
  const back = (await readMigrations()).filter(({ name, down }) => name > BASELINE && down && 'sql' in down);
  const reverted = back.map(({ name }) => name).reverse();
  expect(planned).toMatchObject({ version: BEFORE, would_revert: reverted, kept: expect.any(Array) });
  expect((await harness.json(['releases', 'list'])).releases).toHaveLength(1);
  expect(await harness.json(['rollback', BEFORE, '--yes'])).toMatchObject({ version: BEFORE, reverted });
  expect((await harness.json(['releases', 'list'])).releases[0]).toMatchObject({ kind: 'rollback', version: BEFORE });
  const events = await harness.ports.raw(
    `SELECT target_id FROM audit_outbox WHERE type = 'operations.release_rolled_back'`,
  );
  expect(events).toEqual([{ target_id: BEFORE }]);
});

test('a migration that is pending is tried upwards with the rows of the database, and says whether it comes back', async () => {
  const older = await createEmptyDatabase(harness.ports.databaseUrl);
  const env = { DATABASE_URL: older.url };
  try {
    const migrations = await readMigrations();
    const before = migrations.filter(({ name }) => name < '20261125130000');
    const names = migrations.slice(before.length).map(({ name }) => name);
    const db = new pg.Client({ connectionString: older.url });
    await db.connect();
    await prepareHistory(db);
    for (const migration of before) await applyMigration(db, migration);
    await db.end();
    const checked = await harness.json(['upgrade', 'check', version], env);
    expect(checked.pending).toEqual(names);
    const up = checked.steps.filter(({ direction }: { direction: string }) => direction === 'up');
    expect(up).toMatchObject(names.map((migration) => ({ migration, refusals: [] })).concat(up.slice(names.length)));
    expect(checked.rollback).toMatchObject({ version: BEFORE, compatible: true });
    const missing = await harness.sallyport(['releases', 'list'], env);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('older than 0.2.0')]);
  } finally {
    await older.drop();
  }
});
