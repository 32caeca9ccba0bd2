import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { differenceSince } from './contract-difference.ts';

let root: string;
const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

/** A commit whose program prints this contract. */
function commit(contract: object): string {
  writeFileSync(join(root, 'program.mjs'), `console.log(${JSON.stringify(JSON.stringify(contract, null, 1))})`);
  return commitAll();
}
function commitAll(): string {
  git('add', '.');
  git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-q', '--allow-empty', '-m', 'one');
  return git('rev-parse', 'HEAD');
}
const now = (): string => execFileSync(process.execPath, ['program.mjs'], { cwd: root, encoding: 'utf8' });
const difference = (since?: string): string[] =>
  differenceSince(root, 'program.mjs', now(), since)
    .split('\n')
    .filter((line) => /^[+-] /.test(line));

beforeEach(() => {
  root = testFolder(onTestFinished);
  git('init', '-q', '-b', 'main');
  writeFileSync(join(root, '.gitignore'), '.sallyport/\n');
});

test('shows what a branch changed in the contract since it left main, committed or not', () => {
  git('update-ref', 'refs/remotes/origin/main', commit({ a: 1, b: 2 }));
  commit({ a: 1, b: 2 });
  expect(difference()).toEqual([]);
  commit({ a: 1, b: 3 });
  expect(difference()).toEqual(['- "b": 2', '+ "b": 3']);
  writeFileSync(join(root, 'program.mjs'), 'console.log(JSON.stringify({ a: 4, b: 2 }, null, 1))');
  expect(difference()).toEqual(['- "a": 1,', '+ "a": 4,']);
  expect(git('worktree', 'list').split('\n')).toHaveLength(1);
  expect(readdirSync(join(root, '.sallyport/contract'))).toEqual([]);
});

test('shows on main what the newest commit changed, and since any other commit what is asked', () => {
  const [first] = [commit({ a: 1 }), commit({ a: 2 })];
  git('update-ref', 'refs/remotes/origin/main', commit({ a: 3 }));
  expect([difference(), difference(first)]).toEqual([
    ['- "a": 2', '+ "a": 3'],
    ['- "a": 1', '+ "a": 3'],
  ]);
});

test('says which commit cannot build its contract', () => {
  const empty = commitAll();
  commit({ a: 1 });
  expect(() => difference(empty)).toThrow(`${empty} has no program.mjs: its contract cannot be built`);
});
