import { resolve } from 'node:path';
import { failedFilesOf, failuresOf, passedFilesOf } from '../checks/failed-tests.ts';
import { outcome } from './outcome.ts';
import { OUT, ROOT } from './run.ts';
import { vitest } from './suites.ts';

/** More failures than these are not the machine's. */
export const FEW_FILES = 8;

/** Runs what failed once more, by itself. What passes is no longer a failure of its suite. */
export async function again(isMeasured: boolean): Promise<void> {
  const { counts, failedSteps, failures, reports } = outcome;
  const failed = [...reports].map(([name, report]) => ({ name, report, files: failedFilesOf(report) }));
  const isFew = failed.flatMap(({ files }) => files).length <= FEW_FILES;
  for (const { name, report, files } of failed.filter((each) => each.files.length > 0)) {
    const { status, report: second } = isFew
      ? await vitest(name, { folder: resolve(OUT, `${name}-again`), files, workers: 1, isMeasured })
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
