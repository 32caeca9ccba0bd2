import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { lacksOf, type ReleaseFacts } from './describe-release.ts';
import { runCommand, runSteps } from './steps.ts';

const node = (code: string) => runCommand(process.execPath, ['-e', code]);

test('a step that fails blocks every step after it, production among them', async () => {
  const said: string[] = [];
  let isDeployed = false;
  const results = await runSteps(
    [
      { name: 'good', run: () => node('process.exit(0)') },
      { name: 'bad', run: () => node('process.exit(3)') },
      {
        name: 'production',
        run: async () => {
          isDeployed = true;
        },
      },
    ],
    (text) => said.push(text),
  );
  expect(results.map(({ name, failure }) => [name, failure !== undefined])).toEqual([
    ['good', false],
    ['bad', true],
  ]);
  expect(isDeployed).toBe(false);
  expect(said.at(-1)).toMatch(/BLOCKED by bad: .* ended with 3/);
});

test('a command line of an operator fails like any other, and so does one that a signal ends', async () => {
  await expect(runCommand('exit 4')).rejects.toThrow('ended with 4');
  await expect(node('process.kill(process.pid, "SIGKILL")')).rejects.toThrow('SIGKILL');
});

const facts: ReleaseFacts = {
  version: '1.2.0',
  changelog: '## [Unreleased]\n\n## [1.2.0] - 2026-11-25\n',
  releases: [{ version: '1.2.0', migration: '2_two' }],
  migrations: ['1_one', '2_two'],
  changed: [],
};

test.each([
  ['a clean commit that names its version', {}, undefined],
  ['an uncommitted file', { changed: ['a.ts'] }, 'a.ts is not committed'],
  ['a changelog without its date', { changelog: '## [1.2.0]\n' }, 'no dated section for 1.2.0'],
  [
    'a version without its migration',
    { releases: [{ version: '1.1.0', migration: '2_two' }] },
    'ends with 1.1.0, not 1.2.0',
  ],
  ['a migration after the version', { migrations: ['1_one', '2_two', '3_three'] }, 'but 3_three is the last'],
] as const)('tells %s', (_what, changed, lack) => {
  const [first] = lacksOf({ ...facts, ...changed });
  if (lack === undefined) expect(first).toBeUndefined();
  else expect(first).toContain(lack);
});

test('the gate lists its steps, and refuses to begin without a staging', () => {
  const gate = (args: readonly string[], env: Record<string, string> = {}) =>
    spawnSync(process.execPath, [resolve(import.meta.dirname, 'gate.ts'), ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', ...env },
    });
  const settings = { STAGING_CLIENT_SECRET: 'x', STAGING_DATABASE_URL: 'postgres://x' };
  const named = ['--staging', 'http://127.0.0.1:1', '--client', 'x', '--deploy-production', 'true', '--list'];
  expect(gate(named, settings).stdout.trim().split('\n')).toEqual([
    ...['release', 'tests', 'rehearsal', 'advisories', 'upgrade', 'validation', 'production'],
  ]);
  expect(gate(named)).toMatchObject({ status: 2, stderr: expect.stringContaining('STAGING_CLIENT_SECRET is missing') });
  expect(gate([], settings)).toMatchObject({ status: 2, stderr: expect.stringContaining('--staging is missing') });
});
