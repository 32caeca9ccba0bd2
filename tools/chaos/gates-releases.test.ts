import { expect, test } from 'vitest';
import { type AfterRollback, violationOfRollback } from './gates-releases.ts';

const after = (of: number, over: Partial<AfterRollback> = {}): AfterRollback => ({
  ...{ tables: of, applied: of, committed: 0, rows: 0 },
  ...over,
});

test('a rollback is whole, or it has changed nothing', () => {
  expect(violationOfRollback('whole', after(0), 3)).toBeUndefined();
  expect(violationOfRollback('refused', after(3, { committed: 1, rows: 1 }), 3)).toBeUndefined();
  for (const tables of [0, 3]) expect(violationOfRollback('cut', after(tables), 3)).toBeUndefined();
});

test('a schema of neither version is a finding, whatever the rollback said', () => {
  for (const end of ['whole', 'refused', 'cut'] as const) {
    expect(violationOfRollback(end, after(2), 3)).toBe(
      `a rollback that was ${end} left 2 of 3 tables and 2 of 3 migrations`,
    );
    expect(violationOfRollback(end, after(3, { applied: 0 }), 3)).toMatch('3 of 3 tables and 0 of 3 migrations');
  }
});

test('a refusal that took everything back, and a success that took nothing, are findings', () => {
  expect(violationOfRollback('refused', after(0), 3)).toMatch('refused left 0 of 3 tables');
  expect(violationOfRollback('whole', after(3), 3)).toMatch('whole left 3 of 3 tables');
});

test('a row that was committed while the rollback waited, and is gone, is a finding', () => {
  expect(violationOfRollback('whole', after(0, { committed: 1 }), 3)).toMatch('lost 1 rows that hold it');
});
