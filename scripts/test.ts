import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { resolve } from 'node:path';
import { coverageOf, figureOf } from './checks/coverage.ts';
import { coverageGroups } from './checks/coverage-groups.ts';
import { failedFilesOf, failuresOf, passedFilesOf, type TestReport } from './checks/failed-tests.ts';
import { testsReachedSince } from './checks/reach.ts';

/** More failures than these are not the machine's. */
const FEW_FILES = 8;

const HELP = `Runs every check and every test, and prints the counts at the end. Offline, once python and web have installed their packages.

  npm test                    every step
  npm test -- unit            some steps, by name: types console lint boundaries callers catalogue vectors dead-code dependencies advisories alerts compose go k6 python unit unit-db web integration chaos coverage
  npm test -- --fast          types, lint, boundaries and the unit tests, without coverage
  npm test -- --changed       the checks of the sources, and the test files that uncommitted changes can reach
  npm test -- --changed main  the same for all changes since this branch left main
  npm test -- --gaps          also list every line no test reached

--changed follows imports, and files and folders that a source names in a string: programs it starts, migrations it
applies, pages it reads. It does not see files found by a pattern or by a name put together at run time, and it leaves
out chaos and coverage. A change of package.json, the lock, tsconfig.json or vitest.config.ts reaches every test.

Up to ${FEW_FILES} files that failed are run once more at the end, with nothing beside them. What passes then is listed as UNSTEADY
with its first failure, and does not fail the run: on two busy cores a wait can end before what it waits for has come.
`;

const CHECKS_AT_ONCE = 4;
const CHECKS_NICENESS = 5;

const ROOT = resolve(import.meta.dirname, '..');
const OUT = resolve(ROOT, 'coverage');
const BIN = resolve(ROOT, 'node_modules/.bin');
const CACHE = resolve(ROOT, 'node_modules/.cache');

type Counts = { passed: number; failed: number; skipped: number };
const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
const failedSteps: string[] = [];
const failures: string[] = [];
/** The latest report of each suite that ran. */
const reports = new Map<string, TestReport>();

type Ran = { readonly status: number; readonly output: string };
type Env = Readonly<Record<string, string>>;

const environment = (env: Env) => ({ cwd: ROOT, env: { ...process.env, ...env } });

/** Runs a program and shows its output immediately. */
const run = (args: readonly string[], env: Env = {}): Promise<Ran> =>
  new Promise((done, fail) => {
    const child = spawn(resolve(BIN, 'node'), args, { ...environment(env), stdio: 'inherit' });
    child.once('error', fail).once('exit', (code) => done({ status: code ?? 1, output: '' }));
  });

/**
 * Runs a program concurrently with others; its output is shown when it has ended.
 * @param niceness above 0: gives way to programs that measure or wait
 */
const runQuietly = (command: string, args: readonly string[], env: Env = {}, niceness = 0): Promise<Ran> =>
  new Promise((done, fail) => {
    const child = spawn(resolve(BIN, command), args, { ...environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    if (niceness > 0 && child.pid !== undefined) setPriority(child.pid, niceness);
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
    child.once('error', fail).once('close', (code) => done({ status: code ?? 1, output: output.join('') }));
  });

const VITEST = resolve(ROOT, 'node_modules/vitest/vitest.mjs');
/** The coverage of suites, and of what of them ran again. */
const reportsOf = (...names: string[]): string[] =>
  names
    .flatMap((name) => [name, `${name}-again`])
    .map((name) => resolve(OUT, name, 'vitest/coverage-final.json'))
    .filter((path) => !path.includes('-again/') || existsSync(path));

type Suite = {
  readonly projects: readonly string[];
  /** Number of concurrent test files. */
  readonly workers: number;
  /** Whether what it reaches of the product counts as covered. */
  readonly isMeasured: boolean;
};

const vitestSuites: Readonly<Record<string, Suite>> = {
  unit: { projects: ['unit', 'unit-alone'], workers: 1, isMeasured: true },
  'unit-db': { projects: ['unit-db'], workers: 2, isMeasured: true },
  // Web examples in Chromium. What they reach of the product is covered by other tests.
  web: { projects: ['web'], workers: 1, isMeasured: false },
  integration: { projects: ['integration'], workers: 3, isMeasured: true },
};

/** Runs the files of a suite in vitest, or all of them, and leaves reports in `folder`. */
async function vitest(
  name: string,
  folder: string,
  files: readonly string[] = [],
  changes: Partial<Suite> = {},
): Promise<Ran & { report: TestReport }> {
  const { projects, workers, isMeasured } = { ...(vitestSuites[name] as Suite), ...changes };
  const report = resolve(folder, 'tests.json');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const args = [
    ...[VITEST, 'run', ...projects.map((project) => `--project=${project}`)],
    `--maxWorkers=${files.length > 0 ? 1 : workers}`,
    ...(isMeasured ? ['--coverage', `--coverage.reportsDirectory=${resolve(folder, 'vitest')}`] : []),
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...files],
  ];
  const env = { NODE_COMPILE_CACHE: resolve(folder, 'compiled'), CI: 'true' };
  const ran = name === 'integration' ? await run(args, env) : await runQuietly('node', args, env);
  return { ...ran, report: JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as TestReport };
}

/** Runs a whole suite and counts its tests. */
async function suite(name: string, folder = resolve(OUT, name), changes: Partial<Suite> = {}): Promise<Ran> {
  const { report, ...ran } = await vitest(name, folder, [], changes);
  reports.set(name, report);
  counts.passed += report.numPassedTests ?? 0;
  counts.failed += report.numFailedTests ?? 0;
  counts.skipped += report.numPendingTests ?? 0;
  return ran;
}

/** Runs what failed once more, by itself. What passes is no longer a failure of its suite. */
async function again(): Promise<void> {
  const failed = [...reports].map(([name, report]) => ({ name, report, files: failedFilesOf(report) }));
  const isFew = failed.flatMap(({ files }) => files).length <= FEW_FILES;
  for (const { name, report, files } of failed.filter((each) => each.files.length > 0)) {
    const { status, report: second } = isFew
      ? await vitest(name, resolve(OUT, `${name}-again`), files)
      : { status: 1, report };
    if (status === 0) failedSteps.splice(failedSteps.indexOf(name), 1);
    const passedFiles = status === 0 ? files : passedFilesOf(second);
    for (const file of report.testResults ?? [])
      for (const text of failuresOf({ testResults: [file] }, ROOT))
        failures.push(`${passedFiles.includes(file.name) ? 'UNSTEADY' : 'FAILED'} ${text}`);
    counts.failed -= (report.numFailedTests ?? 0) - (second.numFailedTests ?? 0);
    counts.passed += (report.numFailedTests ?? 0) - (second.numFailedTests ?? 0);
  }
}

async function coverage(): Promise<Ran> {
  const maps = {
    all: await coverageOf(reportsOf('unit', 'unit-db', 'integration')),
    stores: await coverageOf(reportsOf('unit-db', 'integration')),
  };
  const lines: string[] = [];
  let low = 0;
  for (const group of coverageGroups) {
    const { passed, files, lines: of, functions, branches, missing } = figureOf(maps[group.by], group);
    const least = `${group.least.lines}/${group.least.functions}/${group.least.branches}`;
    lines.push(
      `${passed ? 'ok  ' : 'LOW '} ${group.name}: ${files} files, lines ${of} %, functions ${functions} %, branches ${branches} % (at least ${least})`,
    );
    if (!passed || process.argv.includes('--gaps')) lines.push(...missing.map((line) => `       ${line}`));
    if (!passed) low += 1;
  }
  return { status: low, output: `${lines.join('\n')}\n` };
}

/** Runs the test files that changes since a commit can reach, without coverage. */
async function reached(ref: string): Promise<Ran> {
  const files = testsReachedSince(ref);
  process.stdout.write(`${files.length} test files can be reached by what changed since ${ref}\n`);
  const env = { NODE_COMPILE_CACHE: resolve(CACHE, 'compiled') };
  return files.length === 0 ? { status: 0, output: '' } : run([VITEST, 'run', ...files], env);
}

/** Steps that need no store, and run concurrently. They verify their `CACHE` against each file. */
const checks: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  // What takes longest begins first: on a new machine Go compiles its library.
  go: ['node', ['scripts/checks/go.ts']],
  types: ['tsc', ['--noEmit', '--incremental', '--tsBuildInfoFile', `${CACHE}/types.tsbuildinfo`]],
  console: ['tsc', ['-p', 'console', '--noEmit', '--incremental', '--tsBuildInfoFile', `${CACHE}/console.tsbuildinfo`]],
  lint: ['biome', ['check', '--error-on-warnings', '--max-diagnostics=50']],
  boundaries: ['node', ['scripts/checks/boundaries.ts']],
  callers: ['node', ['scripts/checks/callers.ts']],
  catalogue: ['node', ['scripts/catalog/main.ts', '--check']],
  vectors: ['node', ['conformance/make-vectors.ts', '--check']],
  'dead-code': ['knip', ['--cache', '--cache-location', `${CACHE}/knip`]],
  // What cannot be looked up from this machine is skipped, unless DEPENDENCY_AUDIT=required.
  dependencies: ['node', ['scripts/checks/dependencies.ts']],
  // Without a network: the dated list of advisories.
  advisories: ['node', ['scripts/checks/listed-advisories.ts']],
  alerts: ['node', ['scripts/checks/alerts.ts']],
  compose: ['node', ['scripts/checks/compose.ts']],
  python: ['node', ['scripts/checks/python.ts']],
};

const suites: Readonly<Record<string, () => Promise<Ran>>> = {
  // Building k6 takes minutes, so it begins first. Without k6, the tests of its scenarios are skipped and say why.
  k6: async () => ({ ...(await runQuietly('node', ['load-tests/run.ts', '--install-k6'])), status: 0 }),
  ...Object.fromEntries(Object.keys(vitestSuites).map((name) => [name, () => suite(name)])),
  // Chooses a new seed each time, and prints it.
  chaos: () => runQuietly('node', [resolve(ROOT, 'chaos/main.ts'), '--seconds', '10'], { CI: 'true' }),
  coverage,
};

const steps = [...Object.keys(checks), ...Object.keys(suites)];

/** Runs one step, and prints its output at the end unless it was already shown. */
async function step(name: string, work: () => Promise<Ran>): Promise<void> {
  const startedMs = performance.now();
  const { status, output } = await work();
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  process.stdout.write(`\n${output}== ${name} ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s\n`);
  if (status !== 0) failedSteps.push(name);
  // Parts of a step that this machine cannot run; vitest counts its own.
  counts.skipped += output.match(/^SKIPPED: /gm)?.length ?? 0;
}

/** They compile and compute: a few at once, and behind the tests of other lanes, which wait for things to happen. */
async function runChecks(names: readonly string[]): Promise<void> {
  const waiting = [...names];
  const next = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const [command, args] = checks[name] as (typeof checks)[string];
      await step(name, () => runQuietly(command, args, {}, CHECKS_NICENESS));
    }
  };
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, next));
}

async function runSuites(names: readonly string[]): Promise<void> {
  for (const name of names) await step(name, suites[name] as () => Promise<Ran>);
}

/** What is known soonest: no store, no coverage. */
const runFast = async (): Promise<void> => {
  const unit = () => suite('unit', resolve(OUT, 'fast'), { workers: 2, isMeasured: false });
  await Promise.all([runChecks(['types', 'console', 'lint', 'boundaries']), step('unit', unit)]);
};

/** Three lanes of steps side by side: much of a lane's time is waiting. */
async function runSteps(isWanted: (name: string) => boolean): Promise<void> {
  const beside = async (): Promise<void> => {
    await runChecks(Object.keys(checks).filter(isWanted));
    await runSuites(['unit', 'unit-db'].filter(isWanted));
  };
  const lanes = [
    ['k6', 'web'],
    ['integration', 'chaos'],
  ].map((names) => runSuites(names.filter(isWanted)));
  await Promise.all([...lanes, beside()]);
  await again();
  await runSuites(['coverage'].filter(isWanted));
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const isChanged = args.includes('--changed');
  const wanted = args.filter((word) => !word.startsWith('--'));
  const unknown = isChanged ? wanted.slice(1) : wanted.filter((word) => !steps.includes(word));
  if (args.includes('--help') || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `No such step: ${unknown.join(', ')}\n\n${HELP}` : HELP);
    process.exitCode = unknown.length > 0 ? 2 : 0;
    return;
  }
  if (isChanged)
    await Promise.all([runChecks(Object.keys(checks)), step('changed', () => reached(wanted[0] ?? 'HEAD'))]);
  else if (args.includes('--fast')) await runFast();
  else await runSteps((name) => wanted.length === 0 || wanted.includes(name));
  for (const failure of failures) process.stdout.write(`\n${failure}\n`);
  if (failedSteps.length > 0) process.stdout.write(`\nfailed steps: ${failedSteps.join(', ')}\n`);
  if (counts.passed + counts.failed + counts.skipped > 0)
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = failedSteps.length === 0 ? 0 : 1;
}

await main();
