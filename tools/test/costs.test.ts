import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { costLines, costlyFiles, MOST_SECONDS, tooCostly } from './costs.ts';

const listed = { seconds: 100, files: { 'b.test.ts': 'it starts a cluster' } };
const costs = [
  { file: 'b.test.ts', seconds: 40 },
  { file: 'a.test.ts', seconds: MOST_SECONDS + 1 },
  { file: 'c.test.ts', seconds: 2 },
  { file: 'e.all.test.ts', seconds: 300 },
];

test('a file above the bound fails, unless it is listed with its reason', () => {
  expect(tooCostly(costs, listed)).toEqual([expect.stringMatching(/^a\.test\.ts cost 16\.0 s .* more than 15\.0/)]);
  expect(tooCostly(costs, { ...listed, files: { 'a.test.ts': 'x' } })).toEqual([expect.stringMatching(/^b\.test\.ts/)]);
});

test('on a machine where all files cost twice as much, a file may too', () => {
  const slow = [...costs, { file: 'd.test.ts', seconds: 142 }];
  expect(tooCostly(slow, listed)).toEqual([expect.stringMatching(/^d\.test\.ts/)]);
});

test('the most costly come first, with what they cost', () => expect(costLines(costs)[0]).toBe('   40.0 s  b.test.ts'));

test('every listed file is there, and has a reason', () => {
  const { files } = costlyFiles(repositoryRoot);
  for (const [file, reason] of Object.entries(files))
    expect([file, existsSync(resolve(repositoryRoot, file)), reason.length > 20]).toEqual([file, true, true]);
});
