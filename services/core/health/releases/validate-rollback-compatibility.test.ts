import { expect, test } from 'vitest';
import { type MigrationFacts, validateRollbackCompatibility } from './validate-rollback-compatibility.ts';

const releases = [
  { version: '1.0.0', migration: '10_users' },
  { version: '1.1.0', migration: '30_notes' },
];
const stays: MigrationFacts = { name: '20_column', phase: 'expand', down: { because: 'the old release ignores it' } };
const goes: MigrationFacts = { name: '30_notes', phase: 'contract', down: { sql: 'SELECT 1' } };
const first: MigrationFacts = { name: '10_users', phase: 'contract', down: { because: 'nothing was before it' } };
const applied = ['10_users', '20_column', '30_notes'];
const ask = (version: string, changed: Partial<Parameters<typeof validateRollbackCompatibility>[0]> = {}) =>
  validateRollbackCompatibility({ version, releases, migrations: [first, stays, goes], applied, ...changed });

test('an older version runs with migrations of the phase expand, and those with a way back are taken back last first', () => {
  const also: MigrationFacts = { name: '25_index', phase: 'expand', down: { sql: 'SELECT 1' } };
  expect(ask('1.0.0', { migrations: [first, stays, also, goes], applied: [...applied, '25_index'].sort() })).toEqual({
    compatible: true,
    reason: '1.0.0 runs with 1 of 3 later migrations; 2 are taken back',
    reverts: ['30_notes', '25_index'],
    keeps: ['20_column'],
  });
});

test('the version whose schema the database has needs nothing', () =>
  expect(ask('1.1.0')).toMatchObject({
    compatible: true,
    reason: 'the schema is that of 1.1.0',
    reverts: [],
    keeps: [],
  }));

test.each([
  ['a version that is not known', '9.9.9', {}, 'no version 9.9.9 is known, only 1.0.0, 1.1.0'],
  ['a database of a later version', '1.0.0', { applied: [...applied, '40_later', '50_later'] }, /40_later and 1 more/],
  [
    'a database that is older than the version',
    '1.1.0',
    { applied: ['10_users'] },
    /needs migrations.*20_column and 1 more/,
  ],
  [
    'a breaking migration without a way back, with its reason',
    '1.0.0',
    { migrations: [first, stays, { ...goes, down: { because: 'the old column is gone' } }] },
    '1.0.0 cannot run with migration 30_notes, which has no way back because the old column is gone',
  ],
] as const)('refuses %s', (_what, version, changed, reason) => {
  const answer = ask(version, changed);
  expect(answer).toMatchObject({ compatible: false, reverts: [], keeps: [] });
  expect(answer.reason).toMatch(reason);
});
