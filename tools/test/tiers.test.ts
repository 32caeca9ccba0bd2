import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { repositoryFiles } from '../checks/reach.ts';
import { costLines, costlyFiles, MOST_SECONDS, tooCostly } from './costs.ts';
import { countLine, countReport, outcome } from './outcome.ts';
import { aboutOf } from './reached.ts';
import { isFirstTier, isSecondTier, TEST_NAME, toolsOf } from './tiers.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const files = existsSync(resolve(ROOT, '.git')) ? repositoryFiles() : [];
const read = (path: string): string => readFileSync(resolve(ROOT, path), 'utf8');

/** What tests of the first tier may load beside the product: what starts no store, browser or program of another project. */
const LIGHT = [
  /(\.test|-harness)\.ts$/,
  /^tools\/testing\/([^/]+|(flows|fixtures|fakes)\/.+|harness\/(?!browser)[^/]+)\.ts$/,
  /^tools\/testing\/processes\/(alive|cheap-bcrypt|cheap-bcrypt-child|child-env|cli-server|inside|prepared-cluster|programs|run-cli|tcp-proxy)\.ts$/,
  /^tools\/testing\/processes\/(job-worker|kill-points|killable|migrate|roll-back|works)\.ts$/,
  /^tools\/(catalog|process-rights)\/[\w-]+\.ts$|^tools\/([\w-]+\.mjs|release\/(release-code|validate-staging)\.ts)$/,
  /^(sdks|conformance)\/|^examples\/event-receiver\/|^tools\/chaos\/(audit-log|ledger)\.ts$/,
  /\.(md|json|pem|yml|yaml|acl)$/,
];
/** A walk of the console, and the first minutes of a user, in Chromium. */
const IN_CHROMIUM = [
  'services/pages/console-new-in-browser.integration.test.ts',
  'tools/checks/first-day.integration.test.ts',
];

/** What a test of the first tier loads that only the second may. */
function heavyToolsOf(test: string, tools: ReadonlySet<string>): string[] {
  const isLight = (path: string): boolean =>
    LIGHT.some((form) => form.test(path)) ||
    (IN_CHROMIUM.includes(test) && path === 'tools/testing/harness/browser.ts');
  return [...tools].filter((path) => !isLight(path));
}

describe.skipIf(files.length === 0)('the tiers of tests', () => {
  const tests = files.filter((path) => path.endsWith('.test.ts'));

  test('are in the name of each test file', () => {
    expect(tests.length).toBeGreaterThan(800);
    expect(tests.filter((path) => !TEST_NAME.test(path))).toEqual([]);
  });

  test('differ by what they load: the first starts no store, browser or foreign program of its own', () => {
    const tools = toolsOf(new Set(files), read);
    const heavy = tests.filter(isFirstTier).map((path) => [path, heavyToolsOf(path, tools(path))] as const);
    expect(heavy.length).toBeGreaterThan(300);
    expect(heavy.filter(([, found]) => found.length > 0)).toEqual([]);
  });

  test('have a second one whose files are about places that exist', () => {
    const later = tests.filter(isSecondTier);
    expect(later.length).toBeGreaterThan(60);
    const places = later.flatMap((path) => aboutOf(read(path)).map((place) => ({ path, place })));
    expect(places.length).toBeGreaterThan(10);
    expect(places.filter(({ place }) => !existsSync(resolve(ROOT, place)))).toEqual([]);
  });
});

test.each(['a.browser.test.ts', 'a.all.db.test.ts', 'a.slow.test.ts', 'a.b.test.ts', 'a.integration.tests.ts'])(
  'the name %s says no tier',
  (name) => expect(TEST_NAME.test(`services/${name}`)).toBe(false),
);

test('a heavy tool is found behind a harness', () => {
  const sources: Readonly<Record<string, string>> = {
    'services/a.integration.test.ts': "import { open } from './a-harness.ts';",
    'services/a-harness.ts': "import { startOwnStores } from '#tools/testing/processes/own-stores.ts';",
    'tools/testing/processes/own-stores.ts': "import { startPostgres } from '#services/platform/local/postgres.ts';",
    'services/platform/local/postgres.ts': "import { spawn } from './spawn.ts';",
  };
  const tools = toolsOf(new Set(Object.keys(sources)), (path) => sources[path] ?? '');
  const [path = ''] = Object.keys(sources);
  expect(heavyToolsOf(path, tools(path))).toEqual(['tools/testing/processes/own-stores.ts']);
});

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

test('tests of the repository are counted apart from those of the product', () => {
  const result = (status: string) => ({ fullName: 'a', status });
  const file = (name: string) => ({
    name: `/here/${name}`,
    status: 'passed',
    assertionResults: [result('passed'), result('failed')],
  });
  const names = [
    'services/rule.test.ts',
    'tools/checks/names.test.ts',
    'tools/chaos/gates.test.ts',
    // They start the product.
    'tools/checks/cluster.all.test.ts',
    'tools/checks/first-day.integration.test.ts',
  ];
  const report = { numPassedTests: 5, numFailedTests: 5, numPendingTests: 1, testResults: names.map(file) };
  outcome.failures.length = 0;
  const before = { ...outcome.counts, ofRepository: outcome.ofRepository };
  countReport(report, '/here');
  expect([outcome.ofRepository - before.ofRepository, outcome.counts.passed - before.passed]).toEqual([2, 5]);
  expect(outcome.failures.map((failure) => failure.split('\n')[0])).toEqual(names.map((name) => `FAILED ${name} › a`));
  expect(countLine({ passed: 5, failed: 5, skipped: 1 }, 2)).toBe(
    '5 passed, 5 failed, 1 skipped (of those passed: 3 about the product, 2 about the repository)',
  );
});
