import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../platform/config/load.ts';
import { childTable } from './table.ts';

test('one API copy by default, else as many as API_COPIES says', () => {
  const copies = (value?: string): number | undefined =>
    childTable(loadConfig({ API_COPIES: value }).server)[0]?.copies;
  expect([copies(), copies('3')]).toEqual([1, 3]);
});

test.each(['0', '2.5', 'many', '65', '-1'])('API_COPIES=%s stops the start by its name', (value) => {
  expect(() => loadConfig({ API_COPIES: value })).toThrow(/API_COPIES/);
});

test('a child is killed only after its own drain time', () => {
  const specs = childTable({ apiCopies: 1, drainSeconds: 25 });
  expect(specs.every((spec) => spec.drainSeconds > 25 && spec.drainSeconds <= 28)).toBe(true);
});

test('every entry in the table is a file', () => {
  for (const spec of childTable({ apiCopies: 1, drainSeconds: 10 }))
    expect([spec.entry, existsSync(spec.entry)]).toEqual([spec.entry, true]);
});
