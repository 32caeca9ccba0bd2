import { coverageOf, figureOf } from '../checks/coverage.ts';
import { coverageGroups } from '../checks/coverage-groups.ts';
import type { Ran } from './run.ts';
import { coverageReports } from './suites.ts';

const ON_STORES = ['unit-db', 'integration', 'all', 'on-time'];

/** Compares what the suites covered with the limits. @param listsGaps also lists every line that no test reached */
export async function coverage(listsGaps: boolean): Promise<Ran> {
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
