import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Counts } from './outcome.ts';

export const RECORD = 'tools/test/record.json';
/** `main` may be so many commits away from a run of everything. By commits: an old clone stays green. */
export const COMMITS_MAX = 300;

/** What the latest `npm run test:all` found. */
export type TestRecord = {
  /** Of git: every file of the repository except this record. */
  readonly tree: string;
  readonly commit: string;
  readonly passed: boolean;
  readonly minutes: number;
  readonly counts: Counts & { readonly ofRepository: number };
  /** What the machine could not run, and why. */
  readonly skipped: readonly string[];
  /** Seconds of each step, and of each file of the second tier. */
  readonly steps: Readonly<Record<string, number>>;
  readonly files: Readonly<Record<string, number>>;
};

function readRecord(root: string): TestRecord | undefined {
  const path = join(root, RECORD);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as TestRecord) : undefined;
}

export const writeRecord = (root: string, record: TestRecord): void =>
  writeFileSync(join(root, RECORD), `${JSON.stringify(record, null, 2)}\n`);

const git = (root: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string =>
  execFileSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, ...env },
  }).trim();

/** What git answers, or nothing where it refuses. */
function ask(root: string, ...args: readonly string[]): string | undefined {
  try {
    return git(root, args);
  } catch {
    return undefined;
  }
}

/** The tree that a commit of everything here would have, without the record; nothing where there is no git. */
export function treeOf(root: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tree-'));
  try {
    const env = { GIT_INDEX_FILE: join(folder, 'index') };
    // Not a copy of the index: flags in it hide changes.
    git(root, ['read-tree', 'HEAD'], env);
    git(root, ['add', '--all', '.'], env);
    git(root, ['rm', '--cached', '--quiet', '--ignore-unmatch', RECORD], env);
    return git(root, ['write-tree'], env);
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const commitOf = (root: string): string => ask(root, 'rev-parse', 'HEAD') ?? 'unknown';

/** Where a checkout stands since the latest run of everything. */
export type Standing = {
  readonly record?: TestRecord;
  /** The commit that changes count from: the recorded one, or if it is not in this history the one that wrote the record. */
  readonly since?: string;
  /** Commits since then. */
  readonly age?: number;
  /** Why changes since then cannot be known here. */
  readonly unknown?: string;
  readonly isMain: boolean;
};

export function standingOf(root: string): Standing {
  const record = readRecord(root);
  const isMain = ask(root, 'symbolic-ref', '--short', 'HEAD') === 'main';
  if (record === undefined) return { isMain, unknown: 'no run of npm run test:all is recorded yet' };
  const shallow = ask(root, 'rev-parse', '--is-shallow-repository');
  if (shallow !== 'false')
    return { record, isMain, unknown: shallow === 'true' ? 'this clone is shallow' : 'git does not know this folder' };
  const isKnown = ask(root, 'merge-base', '--is-ancestor', record.commit, 'HEAD') !== undefined;
  const since = isKnown ? record.commit : ask(root, 'log', '-1', '--format=%H', '--', RECORD) || commitOf(root);
  return { record, isMain, since, age: Number(ask(root, 'rev-list', '--count', `${since}..HEAD`)) };
}

/** Why `main` may not go on from there, or nothing. */
export function faultOf({ record, age, isMain }: Standing): string | undefined {
  if (!isMain || record === undefined || age === undefined) return undefined;
  const fix = `run npm run test:all, and commit ${RECORD}`;
  if (!record.passed) return `the latest run of everything was not green (${record.commit}): ${fix}`;
  return age > COMMITS_MAX
    ? `the latest run of everything is ${age} commits old, ${COMMITS_MAX} may be: ${fix}`
    : undefined;
}

/** @throws unless everything here, as it is now, passed `npm run test:all` */
export function expectRecorded(root: string): void {
  const record = readRecord(root);
  if (record?.passed !== true) throw new Error(`${RECORD} is not that of a green run`);
  const tree = treeOf(root);
  if (record.tree !== tree) throw new Error(`${RECORD} is of the tree ${record.tree}, and this is ${tree ?? 'no git'}`);
}
