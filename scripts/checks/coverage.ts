import { glob, readdir, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { matchesGlob, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeScriptCovs, type ScriptCov } from '@bcoe/v8-coverage';
import { parse } from 'acorn';
import { convert } from 'ast-v8-to-istanbul';
import coverage, { type CoverageMap, type CoverageMapData } from 'istanbul-lib-coverage';

const ROOT = resolve(import.meta.dirname, '../..');

export type CoverageGroup = {
  readonly name: string;
  /** Whose coverage counts: of all tests, of a module's own tests (nothing starts the API), of those on real stores. */
  readonly by: 'all' | 'unit' | 'stores';
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
};

type V8Report = { readonly result: ScriptCov[] };

const isOurs = (path: string): boolean =>
  /^(services|observability|cli|jobs)\//.test(path) &&
  path.endsWith('.ts') &&
  !/(\.test|-harness)\.ts$|\/testing\/|\/generated\//.test(path);

/** Nothing, for a process that was killed while it wrote. */
function scriptsOf(text: string): ScriptCov[] {
  try {
    return (JSON.parse(text) as V8Report).result;
  } catch {
    return [];
  }
}

/** One coverage of each of our files, over all reports: converting is slow, and done once a file. */
async function mergedScripts(folder: string): Promise<Map<string, ScriptCov>> {
  const merged = new Map<string, ScriptCov>();
  for (const name of await readdir(folder).catch(() => [])) {
    for (const script of scriptsOf(await readFile(resolve(folder, name), 'utf8'))) {
      if (!script.url.startsWith('file://')) continue;
      const file = fileURLToPath(script.url);
      if (!isOurs(relative(ROOT, file))) continue;
      const known = merged.get(file);
      merged.set(file, known === undefined ? script : (mergeScriptCovs([known, script]) as ScriptCov));
    }
  }
  return merged;
}

/**
 * Coverage that child processes wrote (NODE_V8_COVERAGE). Node runs our files with types replaced by blanks,
 * so V8's offsets are offsets of the source.
 */
export async function childCoverage(folder: string): Promise<CoverageMap> {
  const map = coverage.createCoverageMap({});
  for (const [file, script] of await mergedScripts(folder)) {
    const code = stripTypeScriptTypes(await readFile(file, 'utf8'));
    const ast = parse(code, { ecmaVersion: 'latest', sourceType: 'module' });
    const data = await convert({
      ast: ast as never,
      code,
      wrapperLength: 0,
      coverage: script as never,
      sourceMap: undefined,
    });
    map.merge(data as CoverageMapData);
  }
  return map;
}

/** What vitest's own provider wrote for the code its workers ran. */
export async function vitestCoverage(file: string): Promise<CoverageMap> {
  return coverage.createCoverageMap(JSON.parse(await readFile(file, 'utf8')) as CoverageMapData);
}

const isIn = (group: CoverageGroup, path: string): boolean =>
  group.include.some((pattern) => matchesGlob(path, pattern)) &&
  !group.exclude.some((pattern) => matchesGlob(path, pattern));

/**
 * Of each file the better of two measurements. They are not added up: the same function or branch has other columns
 * after vite's transform than as Node runs it, and would count twice.
 */
export function betterOf(first: CoverageMap, second: CoverageMap): CoverageMap {
  const map = coverage.createCoverageMap({});
  for (const file of new Set([...first.files(), ...second.files()])) {
    const [one, other] = [first, second].map((from) =>
      from.files().includes(file) ? from.fileCoverageFor(file) : undefined,
    );
    const percent = (data: typeof one): number => (data === undefined ? -1 : data.toSummary().statements.pct);
    map.addFileCoverage((percent(one) >= percent(other) ? one : other) as NonNullable<typeof one>);
  }
  return map;
}

/** Files of a group that no run loaded are reported as uncovered, so an unimported file cannot hide. */
export async function figureOf(
  map: CoverageMap,
  group: CoverageGroup,
): Promise<CoverageFigure & { readonly missing: readonly string[] }> {
  const files: string[] = [];
  for await (const path of glob('{services,observability,cli,jobs}/**/*.ts', { cwd: ROOT })) {
    if (isOurs(path) && isIn(group, path)) files.push(path);
  }
  const summary = coverage.createCoverageSummary();
  const missing: string[] = [];
  for (const path of files.sort()) {
    const absolute = resolve(ROOT, path);
    if (!map.files().includes(absolute)) {
      if (!(await isTypesOnly(absolute))) missing.push(`${path}: never loaded`);
      continue;
    }
    const one = map.fileCoverageFor(absolute);
    summary.merge(one.toSummary());
    const { lines, functions, branches } = one.toSummary();
    if (lines.pct < 100 || functions.pct < 100 || branches.pct < 100)
      missing.push(
        `${path}: lines ${lines.pct} functions ${functions.pct} branches ${branches.pct} uncovered ${one.getUncoveredLines().slice(0, 12).join(',')}`,
      );
  }
  const percent = (total: number, covered: number): number =>
    total === 0 ? 100 : Math.floor((covered / total) * 10_000) / 100;
  const figure = {
    lines: percent(summary.lines.total, summary.lines.covered),
    functions: percent(summary.functions.total, summary.functions.covered),
    branches: percent(summary.branches.total, summary.branches.covered),
  };
  const neverLoaded = missing.some((line) => line.endsWith('never loaded'));
  const passed =
    !neverLoaded &&
    figure.lines >= group.least.lines &&
    figure.functions >= group.least.functions &&
    figure.branches >= group.least.branches;
  return { group: group.name, files: files.length, ...figure, passed, missing };
}

async function isTypesOnly(file: string): Promise<boolean> {
  const ast = parse(stripTypeScriptTypes(await readFile(file, 'utf8')), {
    ecmaVersion: 'latest',
    sourceType: 'module',
  });
  return ast.body.every(
    (node) => node.type === 'ImportDeclaration' || (node.type === 'ExportNamedDeclaration' && !node.declaration),
  );
}
