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
