import { existsSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { OUT, ROOT } from './run.ts';

/** Where a suite notes what its files cost. */
export const costsPath = (folder: string): string => resolve(folder, 'costs.jsonl');

export type FileCost = { readonly file: string; readonly seconds: number };

/** Files that may cost more, each with its reason, and the seconds that those of the first tier cost together when it was made. */
export type CostlyFiles = { readonly seconds: number; readonly files: Readonly<Record<string, string>> };

const SHOWN = 20;
/** Seconds of processor time that a file may cost. */
export const MOST_SECONDS = 15;

/** What every file of these suites cost, the most first. */
export function costsOf(suites: readonly string[]): FileCost[] {
  const paths = suites.map((name) => costsPath(resolve(OUT, name))).filter((path) => existsSync(path));
  return paths
    .flatMap((path) => readFileSync(path, 'utf8').trim().split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as [string, number])
    .map(([path, seconds]) => ({ file: relative(ROOT, path), seconds }))
    .toSorted((one, other) => other.seconds - one.seconds);
}

export const costlyFiles = (root: string): CostlyFiles =>
  JSON.parse(readFileSync(resolve(root, 'tools/testing/costly-files.json'), 'utf8')) as CostlyFiles;

const firstTier = (costs: readonly FileCost[]): FileCost[] =>
  costs.filter(({ file }) => !file.endsWith('.all.test.ts'));

export const costLines = (costs: readonly FileCost[]): string[] =>
  costs.slice(0, SHOWN).map(({ file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${file}`);

/**
 * Files of the first tier that cost too much; those of the second may. On a slower machine, or where coverage is measured, all files cost more, so the bound grows
 * with what those of the first tier cost together.
 */
export function tooCostly(costs: readonly FileCost[], listed: CostlyFiles): string[] {
  const first = firstTier(costs);
  const bound = MOST_SECONDS * Math.max(1, first.reduce((sum, { seconds }) => sum + seconds, 0) / listed.seconds);
  return first
    .filter(({ file, seconds }) => seconds > bound && !Object.hasOwn(listed.files, file))
    .map(
      ({ file, seconds }) =>
        `${file} cost ${seconds.toFixed(1)} s of processor time, more than ${bound.toFixed(1)}: share what it starts, or list it with the reason in tools/testing/costly-files.json`,
    );
}
