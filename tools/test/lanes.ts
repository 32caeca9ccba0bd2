import { resolve } from 'node:path';
import { coverageOf, figureOf } from '../checks/coverage.ts';
import { coverageGroups } from '../checks/coverage-groups.ts';
import { findEngine } from '../image/engine.ts';
import { checks, NICENESS, runChecks, step } from './checks.ts';
import { laterSteps } from './reached.ts';
import { OUT, type Ran, ROOT, runQuietly } from './run.ts';
import { coverageReports, type SuiteRun, suite, suites, withoutWings } from './suites.ts';

const ON_STORES = ['unit-db', 'integration', 'all', 'on-time'];

/** Compares what the suites covered with the limits. @param listsGaps also lists every line that no test reached */
async function coverage(listsGaps: boolean): Promise<Ran> {
  const maps = {
    all: await coverageOf(coverageReports('unit', ...ON_STORES)),
    stores: await coverageOf(coverageReports(...ON_STORES)),
  };
  const lines: string[] = [];
  let low = 0;
  for (const group of coverageGroups) {
    const { passed, files, lines: of, functions, branches, missing } = figureOf(maps[group.by], group);
    const least = `${group.least.lines}/${group.least.functions}/${group.least.branches}`;
    lines.push(
      `${passed ? 'ok  ' : 'LOW '} ${group.name}: ${files} files, lines ${of} %, functions ${functions} %, branches ${branches} % (at least ${least})`,
    );
    if (!passed || listsGaps) lines.push(...missing.map((line) => `       ${line}`));
    if (!passed) low += 1;
  }
  return { status: low, output: `${lines.join('\n')}\n` };
}

export type How = {
  readonly isMeasured: boolean;
  /** Only these files of the second tier; without, every file. */
  readonly laterFiles?: readonly string[];
  /** How often chaos draws a seed, and whether its named cases come first. */
  readonly chaosRuns: number;
  readonly listsGaps: boolean;
};

const CHAOS_SECONDS = '30';

/** Chooses a new seed each time, and prints it. The named cases come once. */
async function chaos(runs: number): Promise<Ran> {
  const ran: Ran[] = [];
  for (let at = 0; at < runs; at += 1) {
    const cases = at === 0 && runs > 1 ? 'yes' : 'no';
    const args = ['tools/chaos/main.ts', '--seconds', CHAOS_SECONDS, '--cases', cases];
    ran.push(await runQuietly('node', args.with(0, resolve(ROOT, 'tools/chaos/main.ts')), { CI: 'true' }));
  }
  return {
    status: ran.find(({ status }) => status !== 0)?.status ?? 0,
    output: ran.map(({ output }) => output).join(''),
  };
}

/** The containers of docker-compose.yml, from the first start to the tour of a second one. */
async function containers(): Promise<Ran> {
  try {
    findEngine();
  } catch (err) {
    return { status: 0, output: `SKIPPED: ${(err as Error).message.split('\n')[0]}\n` };
  }
  return await runQuietly('node', ['tools/containers/main.ts', '--build']);
}

/** Building k6 takes minutes. Without it, the tests of its scenarios are skipped and say why. */
async function k6(): Promise<Ran> {
  const { status, output } = await runQuietly('node', ['load-tests/run.ts', '--install-k6'], {}, NICENESS);
  return { status: 0, output: status === 0 ? output : `SKIPPED: ${output.trim().split('\n').at(-1)}\n` };
}

const works = (how: How): Readonly<Record<string, () => Promise<Ran>>> => ({
  k6,
  ...Object.fromEntries(
    Object.keys(suites).map((name) => {
      const files = name === 'all' ? how.laterFiles : undefined;
      const run: SuiteRun = { isMeasured: how.isMeasured, ...(files && { files }) };
      return [name, () => suite(name, run)];
    }),
  ),
  'without-wings': withoutWings,
  chaos: () => chaos(how.chaosRuns),
  coverage: () => coverage(how.listsGaps),
  containers,
  load: () => runQuietly('node', ['tools/test/load.ts']),
});

/** Steps of the first tier: what protects a change. */
export const FIRST_CHECKS: readonly string[] = Object.keys(checks).filter((name) => !Object.hasOwn(laterSteps, name));
export const FIRST_TIER: readonly string[] = [...FIRST_CHECKS, 'unit', 'unit-db', 'integration', 'on-time', 'chaos'];

const LANES = [
  ['unit', 'unit-db'],
  ['integration', 'without-wings'],
  ['k6', 'all', 'web'],
];
/** They measure the machine, or use ports of their own on it: one after another, with nothing beside them. */
const AFTER = ['on-time', 'coverage', 'chaos', 'containers', 'load'];

export const STEPS: readonly string[] = [...Object.keys(checks), ...LANES.flat(), ...AFTER];

/** Lanes of steps side by side, because much of a lane's time is waiting; the whole second tier comes after the others. */
export async function runSteps(isWanted: (name: string) => boolean, how: How): Promise<void> {
  const work = works(how);
  const inOrder = async (names: readonly string[]): Promise<void> => {
    for (const name of names.filter(isWanted)) await step(name, work[name] as () => Promise<Ran>);
  };
  const [beside = [], stores = [], later = []] = LANES;
  const first = async (): Promise<void> => {
    await runChecks(Object.keys(checks).filter(isWanted));
    await inOrder(beside);
  };
  const early = isWanted('all') ? first().then(() => inOrder(stores)) : Promise.all([first(), inOrder(stores)]);
  // The whole second tier starts products for an hour: beside other lanes, each test has a seventh of the machine.
  if (isWanted('all') && how.laterFiles === undefined) await early;
  await Promise.all([early, inOrder(later)]);
  await inOrder(AFTER);
}

/** What is known soonest: no store, no coverage. */
export const runFast = async (): Promise<void> => {
  const unit = () => suite('unit', { folder: resolve(OUT, 'fast'), workers: 2 });
  await Promise.all([runChecks(['types', 'console', 'lint', 'boundaries']), step('unit', unit)]);
};
