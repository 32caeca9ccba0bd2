import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checks } from '../test/checks.ts';
import { ensureProgram } from './debian-package.ts';
import { MissingTool } from './missing-tool.ts';

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
