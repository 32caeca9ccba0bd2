import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checks, step } from '../test/checks.ts';
import { outcome } from '../test/outcome.ts';
import { coverageGroups } from './coverage-groups.ts';
import { ensureProgram } from './debian-package.ts';
import { failuresOf } from './failed-tests.ts';
import { MissingTool } from './missing-tool.ts';

const passed = { fullName: 'adds', status: 'passed', failureMessages: [] };

test('a failed test is reported with its file, its name and the first lines of its message', () => {
  const why = ['Error: expected 3', ...Array.from({ length: 40 }, (_, line) => `    at line ${line}`)].join('\n');
  const [failure, ...others] = failuresOf(
    {
      testResults: [
        {
          name: '/here/sum.test.ts',
          status: 'failed',
          assertionResults: [passed, { fullName: 'sums subtracts', status: 'failed', failureMessages: [why] }],
        },
      ],
    },
    '/here',
  );
  expect(others).toEqual([]);
  expect(failure?.split('\n').slice(0, 2)).toEqual(['sum.test.ts › sums subtracts', '    Error: expected 3']);
  expect(failure?.split('\n')).toHaveLength(13);
});

test('a file that failed outside its tests is reported with its message', () => {
  const file = { name: '/here/sum.test.ts', status: 'failed', message: 'no database', assertionResults: [passed] };
  expect(failuresOf({ testResults: [file] }, '/here')).toEqual(['sum.test.ts\n    no database']);
  expect(failuresOf({ testResults: [{ ...file, message: undefined }] }, '/here')).toEqual(['sum.test.ts\n    ']);
});

test('a step in which a hook failed says why', async () => {
  const output = '\n--- Failed Suites 1 ---\n\n FAIL  a.test.ts\nError: no database\n';
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  onTestFinished(() => void vi.restoreAllMocks());
  await step('a', async () => ({ status: 1, output }));
  expect(outcome.failedSteps.pop()).toBe('a');
  expect(outcome.failures.pop()).toBe('FAILED a:\nFAIL  a.test.ts\nError: no database');
});

test('passed tests and a missing report are not reported', () => {
  const file = { name: '/here/sum.test.ts', status: 'passed', assertionResults: [passed] };
  expect([failuresOf({ testResults: [file] }, '/here'), failuresOf({}, '/here')]).toEqual([[], []]);
});

const cwd = resolve(import.meta.dirname, '../..');
const patterns = new Set(coverageGroups.flatMap(({ include, exclude }) => [...include, ...exclude]));

// The pattern of a renamed folder would silently require no coverage.
test.each([...patterns])('the coverage pattern %s matches a file', (pattern) => {
  expect(globSync(pattern, { cwd, exclude: (path) => /node_modules/.test(path) })).not.toEqual([]);
});

test('coverage has limits of its own for authentication logic, for rules, and for what needs real stores', () => {
  const leastBy = (part: 'all' | 'stores') =>
    coverageGroups.filter(({ by }) => by === part).map(({ least }) => [least.lines, least.functions, least.branches]);
  const [authentication, ...others] = leastBy('all');
  expect(authentication).toEqual([100, 100, 100]);
  expect(others).toHaveLength(2);
  for (const least of others) expect(Math.min(...least)).toBeGreaterThanOrEqual(95);
  for (const [lines, functions] of leastBy('stores')) {
    expect(lines).toBeGreaterThanOrEqual(90);
    expect(functions).toBeGreaterThanOrEqual(90);
  }
});

test('a step without its program is skipped, in a line that is counted', () => {
  const { status, stdout } = spawnSync(process.execPath, ['tools/checks/python.ts'], {
    encoding: 'utf8',
    env: { PATH: '' },
  });
  expect(stdout).toMatch(/^SKIPPED: the Python verifier: no Python 3\.10 or newer on PATH.* Run: .+\n$/);
  expect(status).toBe(0);
});

test('a step that fails for another reason fails', () => {
  const program = `import { runStep } from '${new URL('./missing-tool.ts', import.meta.url).href}';
    runStep('it', () => { throw new Error('broken'); });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  expect([status, stdout, stderr]).toEqual([1, '', 'broken\n']);
});

test('a program that neither the machine nor Debian has is a missing tool', () => {
  vi.stubEnv('PATH', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(() => ensureProgram({ package: 'none-of-ours', name: 'none-of-ours', path: 'usr/bin/none' })).toThrow(
    MissingTool,
  );
});

test('every step that needs a program of the machine is skipped without it', () => {
  const scripts = Object.values(checks).flatMap(([, [path = '']]) => (path.endsWith('.ts') ? [path] : []));
  const needy = scripts.filter((path) => /ensureProgram|ensureGo|findPython/.test(readFileSync(path, 'utf8')));
  expect(needy.length).toBeGreaterThan(3);
  expect(needy.filter((path) => !/^\s*runStep\(/m.test(readFileSync(path, 'utf8')))).toEqual([]);
});
