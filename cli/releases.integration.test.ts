import { afterAll, beforeAll, expect, test } from 'vitest';
import { version } from '../observability/version.ts';
import { queryRows } from '../testing/harness/ports.ts';
import { type CliHarness, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
beforeAll(async () => {
  harness = await openCliHarness({ SALLYPORT_BUILD: 'abc123' });
});
afterAll(() => harness?.close());

const sallyport = (...args: readonly string[]) => harness.sallyport(args);
const BEFORE = '0.1.0';

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

test('sallyport rollback refuses with the reason, asks first, and records what it did', async () => {
  const refused = await sallyport('rollback', '9.9.9', '--yes');
  expect([refused.code, refused.err]).toEqual([5, expect.stringContaining('no version 9.9.9 is known')]);
  expect((await sallyport('rollback', BEFORE)).code).toBe(4);
  const planned = await harness.json(['rollback', BEFORE, '--dry-run']);
  expect(planned).toMatchObject({ version: BEFORE, would_revert: [], kept: expect.any(Array) });
  expect((await harness.json(['releases', 'list'])).releases).toHaveLength(1);
  expect(await harness.json(['rollback', BEFORE, '--yes'])).toMatchObject({ version: BEFORE, reverted: [] });
  expect((await harness.json(['releases', 'list'])).releases[0]).toMatchObject({ kind: 'rollback', version: BEFORE });
  const events = await harness.ports.raw(
    `SELECT target_id FROM audit_outbox WHERE type = 'operations.release_rolled_back'`,
  );
  expect(events).toEqual([{ target_id: BEFORE }]);
});

test('a migration that is pending is tried upwards with the rows of the database, and says whether it comes back', async () => {
  // It, and what came after it.
  const undone = (await harness.ports.raw(
    `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name >= '20261125130000' RETURNING migration_name AS name`,
  )) as { name: string }[];
  const names = undone.map(({ name }) => name).sort();
  expect(names[0]).toBe('20261125130000_releases');
  await queryRows(harness.ports.databaseUrl, 'ALTER TABLE releases RENAME TO releases_kept');
  await queryRows(harness.ports.databaseUrl, 'DROP TABLE releases_kept');
  const checked = await harness.json(['upgrade', 'check', version]);
  expect(checked.pending).toEqual(names);
  expect(checked.steps).toMatchObject(names.map((migration) => ({ migration, direction: 'up', refusals: [] })));
  expect(checked.rollback).toMatchObject({ version: BEFORE, compatible: true });
  const missing = await sallyport('releases', 'list');
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('older than 0.2.0')]);
});
