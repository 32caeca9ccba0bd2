// A new migration runs while the release before still serves. So it declares its phase and its way back (phase.json), and
// does nothing in that phase that the older release cannot bear or that blocks a running product: the rules are those of
// squawk, held against what the migration did to a real database.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { version } from '#observability/version.ts';
import { applyMigration, prepareHistory } from '#services/platform/postgres/migrate.ts';
import { readMigrations, readReleases } from '#services/platform/postgres/migration-files.ts';
import { observeMigration, type RehearsedStep } from '#services/platform/postgres/rehearse-migrations.ts';
import { holdsOn } from '#services/platform/postgres/revert-migrations.ts';
import { readCatalog } from '#services/platform/postgres/schema-changes.ts';
import { createEmptyDatabase } from '#tools/testing/harness/ports.ts';
import { commitIn } from '../release/release-code.ts';

const PRISMA = resolve(import.meta.dirname, '../../prisma');
/** What a next release could add: the rules hold for it too, so this test judges something when nothing was added yet. */
const NEXT = resolve(import.meta.dirname, '../testing/fixtures/next-release');

const [baseline, ...added] = await readMigrations([NEXT]);

test('no way back raises an exception of its own: what would lose rows is a hold of phase.json', () => {
  const back = added.flatMap(({ name, down }) => ('sql' in down ? [{ name, sql: down.sql }] : []));
  expect(back.length).toBeGreaterThan(0);
  expect(back.filter(({ sql }) => /\bRAISE\b/i.test(sql)).map(({ name }) => name)).toEqual([]);
});

test('the versions in releases.json are in order, exist, and end with this one', async () => {
  const releases = await readReleases();
  expect(releases.at(-1)?.version).toBe(version);
  const names = releases.map(({ migration }) => migration);
  expect(names).toEqual([...names].sort());
  for (const name of names) expect(existsSync(`${PRISMA}/migrations/${name}/migration.sql`), name).toBe(true);
});

test('a release with a commit is what that commit says: its version, and its last migration', async ({ skip }) => {
  const released = (await readReleases()).filter(({ commit }) => commit !== undefined);
  if (released.length === 0) skip(`${version} is the first release: none has a commit yet`);
  const root = resolve(PRISMA, '..');
  for (const { version: name, migration, commit = '' } of released) {
    await commitIn(root, commit).catch((err: Error) => skip(err.message));
    const show = (path: string) => execFileSync('git', ['show', `${commit}:${path}`], { cwd: root, encoding: 'utf8' });
    expect(JSON.parse(show('package.json')).version).toBe(name);
    const listed = execFileSync('git', ['ls-tree', '--name-only', commit, 'prisma/migrations/'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(listed.trim().split('\n').at(-1)).toBe(`prisma/migrations/${migration}`);
  }
});

test('no migration after the baseline breaks the release before it or blocks a running product, and each comes back', async () => {
  const database = await createEmptyDatabase(inject('templateUrl'));
  const db = new pg.Client({ connectionString: database.url });
  try {
    await db.connect();
    await prepareHistory(db);
    await applyMigration(db, baseline!);
    const released = await readCatalog(db);
    const steps: RehearsedStep[] = [];
    for (const [index, migration] of added.entries()) {
      steps.push(await observeMigration(db, migration, 'up', released));
      // Asked of every schema in which the migration can be taken back.
      expect(await holdsOn(db, added.slice(0, index + 1)), migration.name).toEqual([]);
      if (!('sql' in migration.down)) continue;
      await observeMigration(db, migration, 'down');
      await observeMigration(db, migration, 'up');
    }
    const refusals = steps.flatMap((step) =>
      step.refusals.map(({ rule, on, text, why }) => `${step.migration}: ${rule}: ${on}: ${text}; ${why}`),
    );
    expect(refusals).toEqual([]);
  } finally {
    await db.end();
    await database.drop();
  }
});
