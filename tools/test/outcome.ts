import { failuresOf, type TestReport } from '../checks/failed-tests.ts';

export type Counts = { passed: number; failed: number; skipped: number };

/** What a run found so far. */
export const outcome = {
  counts: { passed: 0, failed: 0, skipped: 0 } satisfies Counts as Counts,
  /** How many of the tests that passed are about the repository and its tools, not about the product. */
  ofRepository: 0,
  failedSteps: [] as string[],
  failures: [] as string[],
  /** What this machine cannot run, and why. */
  skips: [] as string[],
  /** The latest report of each suite that ran. */
  reports: new Map<string, TestReport>(),
  /** How long each step took. */
  seconds: {} as Record<string, number>,
};

/** Tests without a store of documents, names and structure, of tools, and of the gates of chaos and load tests. */
const REPOSITORY = /^(tools|load-tests)\/(?!.*\.(db|integration|all)\.test\.ts$)/;

/** Adds the tests of a suite, and what failed of them. @param root the folder that names in a report begin with */
export function countReport(report: TestReport, root: string): void {
  outcome.counts.passed += report.numPassedTests ?? 0;
  outcome.counts.failed += report.numFailedTests ?? 0;
  outcome.counts.skipped += report.numPendingTests ?? 0;
  outcome.failures.push(...failuresOf(report, root).map((failure) => `FAILED ${failure}`));
  for (const { name, assertionResults } of report.testResults ?? [])
    if (REPOSITORY.test(name.replace(`${root}/`, '')))
      outcome.ofRepository += assertionResults.filter(({ status }) => status === 'passed').length;
}

/** The last line of a run. */
export const countLine = ({ passed, failed, skipped }: Counts, ofRepository: number): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped (of those passed: ${passed - ofRepository} about the product, ${ofRepository} about the repository)`;
