import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { TestReport } from '../checks/failed-tests.ts';
import { repositoryFiles } from '../checks/reach.ts';
import { costsPath } from './costs.ts';
import { countReport, outcome } from './outcome.ts';
import { CACHE, OUT, type Ran, ROOT, run, runQuietly } from './run.ts';
import { testsWithoutWings } from './tiers.ts';

const VITEST = resolve(ROOT, 'node_modules/vitest/vitest.mjs');
/** Never shared with processes that are measured: their code counts nothing. */
const COMPILED = resolve(CACHE, 'compiled');

/** Counting what ran makes every process of a test slower than its shipped deadlines are for. */
const MEASURED_PATIENCE = '3';

type Suite = {
  readonly projects: readonly string[];
  /** Number of concurrent test files. */
  readonly workers: number;
  /** Whether what it reaches of the product counts as covered. */
  readonly isCounted: boolean;
};

export const suites: Readonly<Record<string, Suite>> = {
  unit: { projects: ['unit', 'unit-alone'], workers: 1, isCounted: true },
  'unit-db': { projects: ['unit-db'], workers: 2, isCounted: true },
  integration: { projects: ['integration'], workers: 3, isCounted: true },
  all: { projects: ['all'], workers: 2, isCounted: true },
  // With nothing beside them.
  'on-time': { projects: ['on-time'], workers: 1, isCounted: true },
  // The core and its faces in an installation without wings, which other suites measure.
  'without-wings': { projects: ['integration'], workers: 3, isCounted: false },
  // Web examples in Chromium. What they reach of the product is covered by other tests.
  web: { projects: ['web'], workers: 1, isCounted: false },
};

export type SuiteRun = {
  readonly folder?: string;
  /** Only these files. */
  readonly files?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workers?: number;
  readonly isMeasured?: boolean;
};

/** Runs a suite in vitest, and leaves reports in a folder. */
async function vitest(name: string, how: SuiteRun = {}): Promise<Ran & { report: TestReport }> {
  const { projects, workers, isCounted } = suites[name] as Suite;
  const { folder = resolve(OUT, name), files = [] } = how;
  const isMeasured = how.isMeasured === true && isCounted;
  const report = resolve(folder, 'tests.json');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const args = [
    ...[VITEST, 'run', ...projects.map((project) => `--project=${project}`)],
    `--maxWorkers=${how.workers ?? workers}`,
    ...(isMeasured ? ['--coverage', `--coverage.reportsDirectory=${resolve(folder, 'vitest')}`] : []),
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...files],
  ];
  const env = {
    NODE_COMPILE_CACHE: isMeasured ? resolve(folder, 'compiled') : COMPILED,
    TEST_FILE_COSTS: costsPath(folder),
    CI: 'true',
    ...how.env,
    ...(isMeasured && { TEST_PATIENCE: process.env.TEST_PATIENCE ?? MEASURED_PATIENCE }),
  };
  const ran = name === 'integration' ? await run(args, env) : await runQuietly('node', args, env);
  return { ...ran, report: JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as TestReport };
}

/** Runs a suite and counts its tests. */
export async function suite(name: string, how: SuiteRun = {}): Promise<Ran> {
  const { report, ...ran } = await vitest(name, how);
  outcome.reports.set(name, report);
  countReport(report, ROOT);
  return ran;
}

/** Leaves out every wing. The template database has none of their tables but those in use without them; a product that a test starts on a cluster of its own has all. */
export async function withoutWings(): Promise<Ran> {
  const [{ WINGS }, { unusedWingTables }] = await Promise.all([
    import('#services/platform/config/wings.ts'),
    import('../checks/foreign-sql.ts'),
  ]);
  const files = testsWithoutWings(repositoryFiles(), (path) => readFileSync(resolve(ROOT, path), 'utf8'));
  const env = { TEST_LEAVE_OUT: WINGS.join(','), TEST_WITHOUT_TABLES: unusedWingTables().join(',') };
  return suite('without-wings', { files, env });
}

/** Runs test files of any suite, and counts nothing. */
export const runFiles = (files: readonly string[]): Promise<Ran> =>
  files.length === 0
    ? Promise.resolve({ status: 0, output: '' })
    : run([VITEST, 'run', ...files], { NODE_COMPILE_CACHE: COMPILED });

/** The coverage of suites that ran. */
export const coverageReports = (...names: readonly string[]): string[] =>
  names.map((name) => resolve(OUT, name, 'vitest/coverage-final.json')).filter((path) => existsSync(path));

/** How long each file of the second tier took. */
export const laterSeconds = (): Record<string, number> =>
  Object.fromEntries(
    (outcome.reports.get('all')?.testResults ?? []).map(({ name, startTime = 0, endTime = 0 }) => [
      name.replace(`${ROOT}/`, ''),
      Math.round((endTime - startTime) / 1_000),
    ]),
  );
