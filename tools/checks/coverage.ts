import { readFile } from 'node:fs/promises';
import { matchesGlob, relative, resolve } from 'node:path';
import coverage, { type CoverageMap, type CoverageMapData } from 'istanbul-lib-coverage';

const ROOT = resolve(import.meta.dirname, '../..');

export type CoverageGroup = {
  readonly name: string;
  /** The tests whose coverage counts: all tests, or tests on real stores. */
  readonly by: 'all' | 'stores';
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Percent that lines, functions and branches must each reach. */
  readonly least: { readonly lines: number; readonly functions: number; readonly branches: number };
};

export type CoverageFigure = {
  readonly group: string;
  readonly files: number;
  readonly lines: number;
  readonly functions: number;
  readonly branches: number;
  readonly passed: boolean;
  /** One line for each file that is not fully covered. */
  readonly missing: readonly string[];
};

/** Merges reports of vitest (`coverage-final.json`); each contains every file of ours, loaded or not. */
export async function coverageOf(reports: readonly string[]): Promise<CoverageMap> {
  const map = coverage.createCoverageMap({});
  for (const report of reports) map.merge(JSON.parse(await readFile(report, 'utf8')) as CoverageMapData);
  return map;
}

const matchesAny = (path: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => matchesGlob(path, pattern));

/** Rounded down, so that 100 % means full coverage. */
const percent = ({ total, covered }: { readonly total: number; readonly covered: number }): number =>
  total === 0 ? 100 : Math.floor((covered / total) * 10_000) / 100;

export function figureOf(map: CoverageMap, group: CoverageGroup): CoverageFigure {
  const summary = coverage.createCoverageSummary();
  const missing: string[] = [];
  let files = 0;
  for (const file of map.files().sort()) {
    const path = relative(ROOT, file);
    if (!matchesAny(path, group.include) || matchesAny(path, group.exclude)) continue;
    files += 1;
    const one = map.fileCoverageFor(file);
    const { lines, functions, branches, statements } = one.toSummary();
    summary.merge(one.toSummary());
    if (statements.total > 0 && statements.covered === 0) missing.push(`${path}: never loaded`);
    else if (Math.min(lines.pct, functions.pct, branches.pct) < 100)
      missing.push(
        `${path}: lines ${lines.pct} functions ${functions.pct} branches ${branches.pct} uncovered ${one.getUncoveredLines().slice(0, 12).join(',')}`,
      );
  }
  const figure = {
    lines: percent(summary.lines),
    functions: percent(summary.functions),
    branches: percent(summary.branches),
  };
  const passed =
    files > 0 &&
    figure.lines >= group.least.lines &&
    figure.functions >= group.least.functions &&
    figure.branches >= group.least.branches;
  return { group: group.name, files, ...figure, passed, missing };
}
