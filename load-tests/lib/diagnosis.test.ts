import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { diagnose, type Evidence } from './diagnosis.ts';
import { scenarios, scenariosOf, suites } from './scenarios.ts';

const evidence: Evidence = {
  dropped: 0,
  isSlow: true,
  clientP99Ms: 80,
  serverP99Ms: 5,
  busiestLoop: 0.3,
  generatorCores: 1.6,
  cores: 2,
  loadAverage: 3.2,
};
const slow = (changes: Partial<Evidence>): string => diagnose({ ...evidence, ...changes }).slow;

test('a run on time has nothing to explain', () => expect(slow({ isSlow: false })).toBe('nothing'));

test('when k6 waits far longer than the API works, the generator is slow', () => {
  expect(slow({})).toBe('generator');
  expect(diagnose(evidence).why).toContain('1.6 of 2 cores at a load average of 3.2');
  expect(slow({ isSlow: false, dropped: 5, clientP99Ms: 4, serverP99Ms: 2.5 })).toBe('generator');
});

test('when the API itself is as slow as k6 says, the product is slow', () => {
  expect(slow({ serverP99Ms: 100 })).toBe('product');
  expect(slow({ isSlow: false, dropped: 5, serverP99Ms: 100 })).toBe('product');
});

test('an API slower than its largest bucket is the product', () => {
  expect(slow({ serverP99Ms: Number.POSITIVE_INFINITY })).toBe('product');
  expect(diagnose({ ...evidence, serverP99Ms: Number.POSITIVE_INFINITY }).why).not.toContain('Infinity');
});

test('a busy event loop is the product, though its own clock sees no wait', () =>
  expect(slow({ busiestLoop: 0.95 })).toBe('product'));

test('without metrics of the API the cause is unknown', () => expect(slow({ serverP99Ms: undefined })).toBe('unknown'));

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
