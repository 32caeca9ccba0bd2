import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { scenarios, scenariosOf, suites } from './scenarios.ts';

const files = readdirSync(resolve(import.meta.dirname, '../scenarios')).filter((file) => file.endsWith('.js'));

test('every scenario is a file and every file is a scenario, so that continuous integration runs each', () => {
  expect(files.map((file) => file.slice(0, -'.js'.length)).sort()).toEqual(Object.keys(scenarios).sort());
  expect(scenariosOf('all')).toEqual(Object.keys(scenarios));
});

test('suites name scenarios that exist, and no word means two things', () => {
  for (const [name, members] of Object.entries(suites)) {
    expect(scenariosOf(name)).toBe(members);
    expect(members.filter((member) => !Object.hasOwn(scenarios, member))).toEqual([]);
    expect(scenarios[name]).toBeUndefined();
  }
  expect(scenariosOf('no such scenario')).toBeUndefined();
  expect(scenariosOf('toString')).toBeUndefined();
});
