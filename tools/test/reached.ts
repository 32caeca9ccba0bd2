import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { changesSince, namedBy, repositoryFiles, testsReachedSince } from '../checks/reach.ts';
import type { TestRecord } from './record.ts';
import { isFirstTier, isSecondTier, toolsOf } from './tiers.ts';

/** `npm test` brings no more minutes of the second tier than these. */
export const MINUTES_MAX = 20;
/** A file that no run has measured yet. */
const SECONDS_UNKNOWN = 30;

/** Steps of the second tier, and the changes that bring them into `npm test`. The others come with `npm run test:all` alone. */
export const laterSteps: Readonly<Record<string, RegExp | null>> = {
  go: /^(sdks\/go|load-tests\/verifiers\/go|conformance)\/|^tools\/checks\/go/,
  python: /^(sdks\/python|conformance)\/|^load-tests\/verifiers\/.*\.py$|^tools\/checks\/python/,
  dependencies:
    /(^|\/)(package-lock\.json|go\.sum|requirements[\w-]*\.txt)$|^tools\/checks\/(dependencies|advisories|accepted)/,
  alerts: /^observability\/alerts\/|^tools\/checks\/alerts\.ts$/,
  compose: /^docker-compose\.yml$|^deploy\/compose-check\/|^tools\/checks\/compose\.ts$/,
  // Builds what tests of load-tests/ start.
  k6: /^load-tests\/(.*\.all\.test\.ts$|lib\/k6)/,
  'without-wings': null,
  web: /^examples\/web/,
  all: null,
  coverage: null,
  containers: null,
  load: null,
};

/** `// About: services/pages/ console/src/`: what a file of the second tier is about, beside what it imports. */
const ABOUT = /^\/\/ About: (.+)$/m;
const firstWord = (path: string): string => /[^/]*$/.exec(path)![0].split(/[-.]/)[0] as string;
const isTestOnly = (path: string): boolean => /(\.test|-harness)\.ts$/.test(path);

export const aboutOf = (text: string): readonly string[] => ABOUT.exec(text)?.[1]?.trim().split(/\s+/) ?? [];

/**
 * The files of the second tier that a change of these files reaches: itself; tools that no file of the first tier loads;
 * sources that it imports itself; sources of its folder whose names begin with the same word; and what its line
 * `// About:` names. A change of another source of the product brings none of them, although most of them start the
 * product: the first tier and the run of everything prove that.
 */
export function laterFilesReachedBy(
  changed: readonly string[],
  files: readonly string[],
  read: (path: string) => string,
): string[] {
  const known = new Set(files);
  const tools = toolsOf(known, read);
  const proven = new Set(files.filter(isFirstTier).flatMap((path) => [...tools(path)]));
  const isReached = (test: string): boolean => {
    const text = read(test);
    const own = new Set([...tools(test)].filter((path) => !proven.has(path)));
    const imported = new Set(namedBy(test, text));
    const about = aboutOf(text);
    return changed.some(
      (path) =>
        path === test ||
        own.has(path) ||
        (!isTestOnly(path) &&
          ((imported.has(path) && !proven.has(path)) ||
            about.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place)) ||
            (dirname(path) === dirname(test) && firstWord(path) === firstWord(test)))),
    );
  };
  return files.filter((path) => isSecondTier(path) && isReached(path)).sort();
}

/** A step of its own: the web examples are installed and built before. */
const WEB = 'examples/web.all.test.ts';

export type Brought = {
  readonly files: readonly string[];
  readonly steps: readonly string[];
  readonly minutes: number;
  /** Files and steps that are reached, and left to the run of everything because the minutes are used up. */
  readonly later: readonly string[];
  /** How many files are not reached. */
  readonly leftOut: number;
};

/** What of the second tier changes bring into `npm test`, and how long it takes. */
export function broughtBy(
  changed: readonly string[],
  record: Pick<TestRecord, 'files' | 'steps'>,
  files: readonly string[],
  read: (path: string) => string,
): Brought {
  const found = laterFilesReachedBy(changed, files, read);
  const places = [...changed, ...found];
  const steps = Object.entries(laterSteps).flatMap(([name, by]) =>
    by !== null && places.some((path) => by.test(path)) ? [name] : [],
  );
  const secondsOf = (name: string): number => record.files[name] ?? record.steps[name] ?? SECONDS_UNKNOWN;
  const reached = [...steps, ...found.filter((path) => path !== WEB)];
  let seconds = 0;
  const later = new Set<string>();
  // What changed itself first, then the shortest: so most of it is proved in these minutes.
  const isElsewhere = (name: string): number => Number(!changed.includes(name));
  for (const name of reached.toSorted((a, b) => isElsewhere(a) - isElsewhere(b) || secondsOf(a) - secondsOf(b)))
    if (seconds + secondsOf(name) > 60 * MINUTES_MAX) later.add(name);
    else seconds += secondsOf(name);
  const isNow = (name: string): boolean => !later.has(name);
  return {
    files: reached.slice(steps.length).filter(isNow),
    steps: steps.filter(isNow),
    minutes: Math.ceil(seconds / 60),
    later: [...later],
    leftOut: files.filter(isSecondTier).length - found.length,
  };
}

/** The same for this checkout. @param since a commit */
export const broughtSince = (since: string, record: TestRecord): Brought =>
  broughtBy(changesSince(since), record, repositoryFiles(), (path) => readFileSync(path, 'utf8'));

/** The test files that changes of this checkout since a commit reach: of the second tier, only those that they bring. */
export function testsReached(ref: string): string[] {
  const brought = laterFilesReachedBy(changesSince(ref), repositoryFiles(), (path) => readFileSync(path, 'utf8'));
  return [...testsReachedSince(ref).filter((path) => !isSecondTier(path)), ...brought];
}
