import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Files that every test depends on: a change of one reaches all tests. */
const EVERYTHING = /^(package(-lock)?\.json|tsconfig\.json|vitest\.config\.ts|\.npmrc)$/;
/** Tests that read the whole repository by patterns, as a linter does. */
const READS_ALL = /^tools\/(checks|test)\/[^/.]+\.test\.ts$/;
const SOURCE = /\.(ts|mts|mjs|js)$/;
/** Removes type imports, which the type checker covers, and comments, which name files for readers only. */
const UNSEEN = /^(import|export) type [^;]*;|^\s*(\/\/|\/?\*).*$/gm;
const NAMED = /(['"`])([^'"`\n\\$]{2,120})\1/g;

/**
 * The paths that a source names in strings, relative to itself or to the root (`#`): the modules it imports, the programs it
 * starts, the pages it reads, and folders, as that of the migrations.
 */
export function namedBy(path: string, text: string): string[] {
  const names = [...text.replace(UNSEEN, '').matchAll(NAMED)].map(([, , name = '']) => name.replace(/^#/, ''));
  return names.flatMap((name) => [join(dirname(path), name), normalize(name)]).map((place) => place.replace(/\/$/, ''));
}

/** A file, and every folder that contains it. */
function withFolders(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}

/**
 * The tests that a change of these files can reach. @param files the repository's files, of which @param read gives
 * the text of one
 */
export function testsReachedBy(
  changed: readonly string[],
  files: readonly string[],
  read: (path: string) => string,
): string[] {
  const isTest = (path: string): boolean => path.endsWith('.test.ts');
  if (changed.some((path) => EVERYTHING.test(path))) return files.filter(isTest);
  const sources = files.filter((path) => SOURCE.test(path));
  // The name of a source folder is also an ordinary word.
  const codeFolders = new Set(sources.flatMap((path) => withFolders(path).slice(0, -1)));
  const namers = new Map<string, Set<string>>();
  for (const path of sources)
    for (const named of namedBy(path, read(path)))
      if (!codeFolders.has(named)) namers.set(named, (namers.get(named) ?? new Set()).add(path));
  const reached = new Set(changed);
  for (const path of reached)
    for (const place of withFolders(path)) for (const namer of namers.get(place) ?? []) reached.add(namer);
  return files.filter((path) => isTest(path) && (reached.has(path) || READS_ALL.test(path))).sort();
}

const git = (...args: readonly string[]): string[] =>
  execFileSync('git', [...args, '-z'], { encoding: 'utf8', maxBuffer: 1e8 })
    .split('\0')
    .filter(Boolean);

const untrackedFiles = (): string[] => git('ls-files', '--others', '--exclude-standard');

/** Every file of this repository, including uncommitted ones. */
export function repositoryFiles(): string[] {
  const deleted = new Set(git('ls-files', '--deleted'));
  return [...git('ls-files').filter((path) => !deleted.has(path)), ...untrackedFiles()];
}

/** The files that changed since this branch left a commit, including uncommitted ones. */
export const changesSince = (ref: string): string[] => [
  ...git('diff', '--name-only', '--no-renames', '--merge-base', ref),
  ...untrackedFiles(),
];

/** The tests of this repository that changes since a commit can reach. */
export const testsReachedSince = (ref: string): string[] =>
  testsReachedBy(changesSince(ref), repositoryFiles(), (path) => readFileSync(path, 'utf8'));
