/** The members of vitest's JSON report that are read here. */
export type TestReport = {
  readonly numPassedTests?: number;
  readonly numFailedTests?: number;
  readonly numPendingTests?: number;
  readonly testResults?: readonly {
    readonly name: string;
    readonly status: string;
    readonly startTime?: number;
    readonly endTime?: number;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
};

const FEW_LINES = 12;
const firstLines = (text: string): string =>
  text
    .split('\n')
    .slice(0, FEW_LINES)
    .map((line) => `    ${line}`)
    .join('\n');

/**
 * Every failure of a run as text: `file › test` and the first lines of the message, or the file alone if it failed
 * outside its tests. They are printed last, because a log of thousands of lines may be truncated before its end.
 */
export const failuresOf = (report: TestReport, root: string): string[] =>
  (report.testResults ?? []).flatMap((file) => {
    const name = file.name.replace(`${root}/`, '');
    const tests = file.assertionResults.filter((test) => test.status === 'failed');
    if (tests.length === 0 && file.status === 'failed') return [`${name}\n${firstLines(file.message ?? '')}`];
    return tests.map((test) => `${name} › ${test.fullName}\n${firstLines((test.failureMessages ?? []).join('\n'))}`);
  });
