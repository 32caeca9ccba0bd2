import { runChecks, step } from './test/checks.ts';
import { costLines, costlyFiles, costsOf, tooCostly } from './test/costs.ts';
import { FIRST_CHECKS, FIRST_TIER, type How, runFast, runSteps, STEPS } from './test/lanes.ts';
import { countLine, outcome } from './test/outcome.ts';
import { broughtSince, laterSteps, MINUTES_MAX, testsReached } from './test/reached.ts';
import { COMMITS_MAX, commitOf, faultOf, RECORD, standingOf, treeOf, writeRecord } from './test/record.ts';
import { type Ran, ROOT } from './test/run.ts';
import { laterSeconds, runFiles } from './test/suites.ts';

const HELP = `Tests in two tiers, and prints the counts at the end. Offline, once the packages of Python and the web examples are installed.

  npm test                    proves a change: sources, unit, stores, routes and rules, a walk of the console, 30 s of chaos
  npm run test:all            proves everything: also other languages, load, faults, clusters, browsers, upgrades, coverage
  npm test -- unit            some steps, by name: ${FIRST_TIER.join(' ')}
                              of the second tier: ${Object.keys(laterSteps).join(' ')}
  npm test -- --fast          types, lint, boundaries and the unit tests
  npm test -- --changed       the checks of the sources, and the test files that uncommitted changes can reach
  npm test -- --changed main  the same for all changes since this branch left main
  npm test -- --coverage      also measures coverage; so do test:all and the step coverage, which compares it with its limits
  npm test -- --gaps          also list every line no test reached

The second tier is the files *.all.test.ts and the steps named above. npm run test:all writes what it found to
${RECORD}, to be committed. npm test also runs what changes since that record reach of the second tier: a file of it that
changed, or a tool that only this tier uses, what the file imports itself, sources of its folder whose names begin with
the same word, what its line "// About:" names; and steps whose own files changed. It names them, runs ${MINUTES_MAX} minutes of
them, and leaves the others to npm run test:all. On main it fails if the record is not green or more than ${COMMITS_MAX} commits
old. A shallow clone, or one without git, says that it cannot know.

--changed follows imports, and files and folders that a source names in a string: programs it starts, migrations it
applies, pages it reads. It does not see files found by a pattern or by a name put together at run time, and it leaves
out chaos and coverage. A change of package.json, the lock, tsconfig.json or vitest.config.ts reaches every test.

A test that fails fails the run. What the tests start waits three times as long as shipped, and on a machine that is busy
with other work tests and processes up to six times, except in files about deadlines; TEST_PATIENCE=8 npm test sets both.
`;

const args = process.argv.slice(2);
const has = (option: string): boolean => args.includes(option);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const how: How = { isMeasured: has('--coverage') || has('coverage'), chaosRuns: 1, listsGaps: has('--gaps') };

/** Runs the test files that changes since a commit can reach, without coverage. */
async function reached(ref: string): Promise<Ran> {
  const files = testsReached(ref);
  say(`${files.length} test files can be reached by what changed since ${ref}`);
  return runFiles(files);
}

async function runAll(): Promise<void> {
  const startedMs = performance.now();
  const tree = treeOf(ROOT);
  await runSteps(() => true, { ...how, isMeasured: true, chaosRuns: 3 });
  if (tree === undefined || tree !== treeOf(ROOT))
    return say(`${RECORD} is not written: ${tree ? 'files changed during the run' : 'git does not know this folder'}`);
  writeRecord(ROOT, {
    tree,
    commit: commitOf(ROOT),
    passed: outcome.failedSteps.length === 0,
    minutes: Math.round((performance.now() - startedMs) / 60_000),
    counts: { ...outcome.counts, ofRepository: outcome.ofRepository },
    skipped: outcome.skips,
    steps: outcome.seconds,
    files: laterSeconds(),
  });
  say(`${RECORD} is written: commit it`);
}

/** The first tier, and what changes since the latest run of everything reach of the second. */
async function runFirst(): Promise<void> {
  const standing = standingOf(ROOT);
  const fault = faultOf(standing);
  if (fault !== undefined) {
    outcome.failedSteps.push('record');
    outcome.failures.push(`FAILED record: ${fault}`);
  }
  const { record, since } = standing;
  if (record === undefined || since === undefined) {
    say(`the second tier is left out: ${standing.unknown}`);
    return runSteps((name) => FIRST_TIER.includes(name), how);
  }
  const { files, steps, minutes, later, leftOut } = broughtSince(since, record);
  say(`since ${since.slice(0, 10)}, when everything ran, changes reach of the second tier:`);
  for (const name of [...steps, ...files]) say(`  ${name}`);
  say(`${minutes} minutes more; ${leftOut} of its files are not reached`);
  if (later.length > 0) say(`${later.length} are reached and left to npm run test:all, beyond ${MINUTES_MAX} minutes:`);
  for (const name of later) say(`  ${name}`);
  const more = new Set([...steps, ...(files.length > 0 ? ['all'] : [])]);
  return runSteps((name) => FIRST_TIER.includes(name) || more.has(name), { ...how, laterFiles: files });
}

/** The files that cost most. @param isGated whether whole suites ran, so that a file that costs too much fails the run */
function showCosts(isGated: boolean): void {
  const costs = costsOf([...outcome.reports.keys()]);
  if (costs.length === 0) return;
  say(`\nprocessor time of the test files that took most, of ${costs.length}:`);
  for (const line of costLines(costs)) say(line);
  const faults = isGated ? tooCostly(costs, costlyFiles(ROOT)) : [];
  if (faults.length > 0) outcome.failedSteps.push('costs');
  for (const fault of faults) outcome.failures.push(`FAILED costs: ${fault}`);
}

async function main(): Promise<void> {
  const wanted = args.filter((word) => !word.startsWith('--'));
  const unknown = has('--changed') ? wanted.slice(1) : wanted.filter((word) => !STEPS.includes(word));
  if (has('--help') || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `No such step: ${unknown.join(', ')}\n\n${HELP}` : HELP);
    process.exitCode = unknown.length > 0 ? 2 : 0;
    return;
  }
  if (has('--changed'))
    await Promise.all([runChecks(FIRST_CHECKS), step('changed', () => reached(wanted[0] ?? 'HEAD'))]);
  else if (has('--fast')) await runFast();
  else if (wanted.length > 0) await runSteps((name) => wanted.includes(name), how);
  else await (has('--all') ? runAll() : runFirst());
  showCosts(wanted.length === 0 && !has('--fast') && !has('--changed') && !has('--all'));
  const { counts, failedSteps, failures, ofRepository, skips } = outcome;
  for (const why of skips) say(`SKIPPED ${why}`);
  for (const failure of failures) say(`\n${failure}`);
  if (failedSteps.length > 0) say(`\nfailed steps: ${failedSteps.join(', ')}`);
  if (counts.passed + counts.failed + counts.skipped > 0) say(`\n${countLine(counts, ofRepository)}`);
  process.exitCode = failedSteps.length === 0 ? 0 : 1;
}

await main();
