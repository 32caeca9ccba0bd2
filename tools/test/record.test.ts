import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import {
  COMMITS_MAX,
  expectRecorded,
  faultOf,
  RECORD,
  standingOf,
  type TestRecord,
  treeOf,
  writeRecord,
} from './record.ts';

const AUTHOR = {
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b.test',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b.test',
};
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, ...AUTHOR },
  }).trim();

let folder: string;
let root: string;
beforeEach(() => {
  folder = testFolder(onTestFinished);
  root = join(folder, 'here');
  mkdirSync(join(root, 'tools/test'), { recursive: true });
  git(root, 'init', '-q', '-b', 'main');
  writeFileSync(join(root, 'a.txt'), 'a');
  commit();
});

function commit(): string {
  git(root, 'add', '-A');
  git(root, 'commit', '-q', '--allow-empty', '-m', 'test: change');
  return git(root, 'rev-parse', 'HEAD');
}
function record(changes: Partial<TestRecord> = {}): TestRecord {
  const made = {
    ...{ tree: treeOf(root) ?? '', commit: git(root, 'rev-parse', 'HEAD'), passed: true, minutes: 40 },
    ...{ counts: { passed: 1, failed: 0, skipped: 0, ofRepository: 0 }, skipped: [], steps: {}, files: {} },
    ...changes,
  };
  writeRecord(root, made);
  return made;
}

describe('the record of a run of everything', () => {
  test('is of a tree that holds every file but the record, committed or not', () => {
    const before = treeOf(root);
    record();
    expect(treeOf(root)).toBe(before);
    commit();
    expect(treeOf(root)).toBe(before);
    writeFileSync(join(root, 'b.txt'), 'b');
    const after = treeOf(root);
    expect(after).not.toBe(before);
    commit();
    expect(treeOf(root)).toBe(after);
  });

  test('opens the gate of a release for the tree that passed, and for no other', () => {
    expect(() => expectRecorded(root)).toThrow(/not that of a green run/);
    record({ passed: false });
    expect(() => expectRecorded(root)).toThrow(/not that of a green run/);
    record();
    commit();
    expectRecorded(root);
    // A flag that hides a change from `git status`.
    git(root, 'update-index', '--assume-unchanged', 'a.txt');
    writeFileSync(join(root, 'a.txt'), 'changed');
    expect(() => expectRecorded(root)).toThrow(/is of the tree/);
  });

  test('counts commits since the commit that was tested, or if it is in no history here since it was written', () => {
    const tested = record().commit;
    commit();
    commit();
    expect(standingOf(root)).toMatchObject({ since: tested, age: 2, isMain: true });
    record({ commit: 'f'.repeat(40) });
    const written = commit();
    commit();
    expect(standingOf(root)).toMatchObject({ since: written, age: 1 });
  });

  test('makes main fail when it is not green or too many commits old, and no other branch', () => {
    record();
    commit();
    const standing = standingOf(root);
    expect(faultOf(standing)).toBeUndefined();
    expect(faultOf({ ...standing, age: COMMITS_MAX })).toBeUndefined();
    expect(faultOf({ ...standing, age: COMMITS_MAX + 1 })).toContain('301 commits old, 300 may be');
    record({ passed: false });
    expect(faultOf(standingOf(root))).toContain('was not green');
    git(root, 'switch', '-q', '-c', 'other');
    expect(faultOf(standingOf(root))).toBeUndefined();
    expect(faultOf({ ...standing, age: COMMITS_MAX + 1, isMain: false })).toBeUndefined();
  });

  test('that is old by the calendar is as good as a new one', () => {
    record();
    git(root, 'add', '-A');
    const date = '2019-01-01T00:00:00Z';
    const env = { ...process.env, ...AUTHOR, GIT_COMMITTER_DATE: date };
    execFileSync('git', ['commit', '-q', '-m', 'test: old', '--date', date], { cwd: root, env });
    expect(faultOf(standingOf(root))).toBeUndefined();
  });

  test('says what cannot be known in a shallow clone, without git, and before the first run, and fails none of them', () => {
    expect(standingOf(root)).toEqual({ isMain: true, unknown: 'no run of npm run test:all is recorded yet' });
    record({ passed: false });
    commit();
    const clone = join(folder, 'clone');
    git(folder, 'clone', '-q', '--depth', '1', `file://${root}`, clone);
    expect(standingOf(clone)).toMatchObject({ isMain: true, unknown: 'this clone is shallow' });
    expect(faultOf(standingOf(clone))).toBeUndefined();
    rmSync(join(root, '.git'), { recursive: true });
    expect(standingOf(root)).toMatchObject({ isMain: false, unknown: 'git does not know this folder' });
    expect([treeOf(root), faultOf(standingOf(root))]).toEqual([undefined, undefined]);
  });
});

test('the record is where the runner writes it', () => expect(RECORD).toBe('tools/test/record.json'));
