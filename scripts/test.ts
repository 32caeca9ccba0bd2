import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import coverage, { type CoverageMap } from 'istanbul-lib-coverage';
import { betterOf, type CoverageFigure, childCoverage, figureOf, vitestCoverage } from './checks/coverage.ts';
import { coverageGroups } from './checks/coverage-groups.ts';
import { failuresOf, type TestReport } from './checks/failed-tests.ts';

const HELP = `Runs everything the project promises offline, and ends in a line of counts.

  npm test                    all of it
  npm test -- unit            some steps, by name: types lint boundaries catalogue dead-code alerts compose unit unit-db integration chaos coverage
  npm test -- --gaps          also list every line no test reached
`;

const ROOT = resolve(import.meta.dirname, '..');
const OUT = resolve(ROOT, 'coverage');
const BIN = resolve(ROOT, 'node_modules/.bin');

type Counts = { passed: number; failed: number; skipped: number };
const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
const failedSteps: string[] = [];
const failures: string[] = [];

type Ran = { readonly status: number; readonly output: string };

const environment = (env: Readonly<Record<string, string>>) => ({ cwd: ROOT, env: { ...process.env, ...env } });

/** Runs a program that says what it does as it does it. */
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> =>
  new Promise((done, fail) => {
    const child = spawn(resolve(BIN, 'node'), args, { ...environment(env), stdio: 'inherit' });
    child.once('error', fail).once('exit', (code) => done(code ?? 1));
  });

/** Runs a program beside others: what it says is told when it has ended. */
const runQuietly = ([command, ...args]: readonly string[]): Promise<Ran> =>
  new Promise((done, fail) => {
    const child = spawn(resolve(BIN, command as string), args, {
      ...environment({}),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
    child.once('error', fail).once('close', (code) => done({ status: code ?? 1, output: output.join('') }));
  });

async function vitest(project: string): Promise<number> {
  const folder = resolve(OUT, project);
  const report = resolve(folder, 'tests.json');
  const children = resolve(folder, 'children');
  await rm(folder, { recursive: true, force: true });
  await mkdir(children, { recursive: true });
  const status = await run(
    [
      resolve(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      project,
      '--coverage',
      `--coverage.reportsDirectory=${resolve(folder, 'vitest')}`,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { SALLYPORT_CHILD_COVERAGE: children, NODE_COMPILE_CACHE: resolve(folder, 'compiled-packages'), CI: 'true' },
  );
  const result = JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as TestReport;
  counts.passed += result.numPassedTests ?? 0;
  counts.failed += result.numFailedTests ?? 0;
  counts.skipped += result.numPendingTests ?? 0;
  failures.push(...failuresOf(result, ROOT));
  return status;
}

const percent = (figure: CoverageFigure): string =>
  `${figure.passed ? 'ok  ' : 'LOW '} ${figure.group}: ${figure.files} files, lines ${figure.lines} %, functions ${figure.functions} %, branches ${figure.branches} %`;

/** What the tests of these projects cover together. */
async function coverageOf(projects: readonly string[]): Promise<CoverageMap> {
  const [workers, children] = [coverage.createCoverageMap({}), coverage.createCoverageMap({})];
  for (const project of projects) {
    workers.merge(await vitestCoverage(resolve(OUT, project, 'vitest/coverage-final.json')));
    children.merge(await childCoverage(resolve(OUT, project, 'children')));
  }
  return betterOf(workers, children);
}

async function coverageStep(): Promise<number> {
  const maps = {
    all: await coverageOf(['unit', 'unit-db', 'integration']),
    unit: await coverageOf(['unit', 'unit-db']),
    stores: await coverageOf(['unit-db', 'integration']),
  };
  let low = 0;
  for (const group of coverageGroups) {
    const figure = await figureOf(maps[group.by], group);
    process.stdout.write(
      `${percent(figure)} (at least ${group.least.lines}/${group.least.functions}/${group.least.branches})\n`,
    );
    if (!figure.passed || process.argv.includes('--gaps'))
      for (const line of figure.missing) process.stdout.write(`       ${line}\n`);
    if (!figure.passed) low += 1;
  }
  return low;
}

/** They read the sources alone, and run side by side. */
const checks: Readonly<Record<string, readonly string[]>> = {
  types: ['tsc', '--noEmit'],
  lint: ['biome', 'check', '--error-on-warnings', '--max-diagnostics=50'],
  boundaries: [
    ...['depcruise', '--config', '.dependency-cruiser.mjs'],
    ...['services', 'observability', 'cli', 'jobs', 'testing', 'chaos', 'load-tests'],
  ],
  catalogue: ['node', 'scripts/catalog/main.ts', '--check'],
  'dead-code': ['knip'],
  alerts: ['node', 'scripts/checks/alerts.ts'],
  compose: ['node', 'scripts/checks/compose.ts'],
};

/** They share the machine's stores and are measured: one after the other. */
const suites: Readonly<Record<string, () => Promise<number>>> = {
  unit: () => vitest('unit'),
  'unit-db': () => vitest('unit-db'),
  integration: () => vitest('integration'),
  // Draws a seed of its own each time, and prints it.
  chaos: () => run([resolve(ROOT, 'chaos/main.ts'), '--seconds', '10'], { CI: 'true' }),
  coverage: coverageStep,
};

const steps = [...Object.keys(checks), ...Object.keys(suites)];

function ended(name: string, status: number, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  process.stdout.write(`== ${name} ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s\n`);
  if (status !== 0) failedSteps.push(name);
}

async function check(name: string): Promise<void> {
  const startedMs = performance.now();
  const { status, output } = await runQuietly(checks[name] as readonly string[]);
  process.stdout.write(`\n== ${name}\n${output}`);
  ended(name, status, startedMs);
}

async function suite(name: string): Promise<void> {
  const startedMs = performance.now();
  process.stdout.write(`\n== ${name}\n`);
  ended(name, (await suites[name]?.()) ?? 1, startedMs);
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
  const unknown = wanted.filter((word) => !steps.includes(word));
  if (process.argv.includes('--help') || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `No such step: ${unknown.join(', ')}\n\n${HELP}` : HELP);
    process.exitCode = unknown.length > 0 ? 2 : 0;
    return;
  }
  const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);
  await Promise.all(Object.keys(checks).filter(isWanted).map(check));
  for (const name of Object.keys(suites).filter(isWanted)) await suite(name);
  for (const failure of failures) process.stdout.write(`\nFAILED ${failure}\n`);
  if (failedSteps.length > 0) process.stdout.write(`\nfailed steps: ${failedSteps.join(', ')}\n`);
  if (counts.passed + counts.failed > 0)
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = failedSteps.length === 0 ? 0 : 1;
}

await main();
