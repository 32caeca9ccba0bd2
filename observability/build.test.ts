import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commitOf } from './build.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-build-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@people.test', ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

test('the commit of a checkout is what git says: of a branch, packed, detached, and in a work tree', () => {
  git('init', '-q', '-b', 'main');
  git('commit', '-q', '--allow-empty', '-m', 'one');
  const commit = git('rev-parse', 'HEAD');
  expect(commitOf(folder)).toBe(commit);
  git('pack-refs', '--all');
  expect(commitOf(folder)).toBe(commit);
  git('worktree', 'add', '-q', 'other', '-b', 'other');
  expect(commitOf(join(folder, 'other'))).toBe(commit);
  git('checkout', '-q', '--detach');
  expect(commitOf(folder)).toBe(commit);
});

test('a folder without git, or with a file in its place, has no commit', () => {
  expect(commitOf(folder)).toBeUndefined();
  writeFileSync(join(folder, '.git'), 'nothing');
  expect(commitOf(folder)).toBeUndefined();
});
