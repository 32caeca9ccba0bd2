import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { coverageGroups } from './coverage-groups.ts';

const cwd = resolve(import.meta.dirname, '../..');
const patterns = new Set(coverageGroups.flatMap(({ include, exclude }) => [...include, ...exclude]));

// The pattern of a renamed folder would silently require no coverage.
test.each([...patterns])('the coverage pattern %s matches a file', (pattern) => {
  expect(globSync(pattern, { cwd, exclude: (path) => /node_modules/.test(path) })).not.toEqual([]);
});

test('coverage has limits of its own for authentication logic, for rules, and for what needs real stores', () => {
  const leastBy = (part: 'all' | 'stores') =>
    coverageGroups.filter(({ by }) => by === part).map(({ least }) => [least.lines, least.functions, least.branches]);
  const [authentication, ...others] = leastBy('all');
  expect(authentication).toEqual([100, 100, 100]);
  expect(others).toHaveLength(2);
  for (const least of others) expect(Math.min(...least)).toBeGreaterThanOrEqual(95);
  for (const [lines, functions] of leastBy('stores')) {
    expect(lines).toBeGreaterThanOrEqual(90);
    expect(functions).toBeGreaterThanOrEqual(90);
  }
});
