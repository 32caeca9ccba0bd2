import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { lagOf, OF_AUTHENTICATION } from './newest-releases.ts';

/** Runs the check where no registry answers; pip-audit is a program that exits with 0 and could look nothing up. */
async function lookUp(folder: string, report: string) {
  const path = [folder, dirname(process.execPath), ...(process.env.PATH ?? '').split(':')].join(':');
  const child = spawn(process.execPath, ['tools/checks/dependencies.ts', '--report', report], {
    env: { ...process.env, DEPENDENCY_AUDIT: 'required', PATH: path, npm_config_registry: 'http://127.0.0.1:1/' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part.toString();
  });
  const code = await new Promise((done) => child.once('close', done));
  return {
    code,
    out,
    kept: JSON.parse(await readFile(report, 'utf8')) as { lookUps: { what: string; state: string }[] },
  };
}

test('what no registry answers for is never ok, and fails where DEPENDENCY_AUDIT requires it, as at a release', async () => {
  const folder = testFolder(onTestFinished);
  const program = '#!/bin/sh\necho "left  Dependency not found on PyPI and could not be audited: left (1.0.0)"\n';
  await writeFile(join(folder, 'pip-audit'), program);
  await chmod(join(folder, 'pip-audit'), 0o755);
  const { code, out, kept } = await lookUp(folder, join(folder, 'kept', 'report.json'));
  const asked = kept.lookUps.filter(({ what }) => /^(npm |pip-)audit/.test(what));
  expect(asked.length).toBeGreaterThanOrEqual(6);
  expect(asked.filter(({ state }) => state !== 'skipped')).toEqual([]);
  expect([kept.lookUps.filter(({ state }) => state === 'failed'), code]).toEqual([[], 1]);
  expect(out).toMatch(/^FAILED: pip-audit of .*could not be audited/m);
});

const time = {
  created: '2026-01-01T00:00:00Z',
  '1.6.9': '2026-11-20T00:00:00Z',
  '1.7.0': '2026-10-01T00:00:00Z',
  '1.7.1': '2026-11-01T00:00:00Z',
  '1.7.2': '2026-11-10T00:00:00Z',
  '1.8.0-beta.1': '2026-10-02T00:00:00Z',
  '2.0.0': '2026-10-02T00:00:00Z',
};
const view = JSON.stringify({ time, 'dist-tags.latest': '1.7.2' });
const lagAt = (ours: string, day: string) => lagOf('left', ours, view, new Date(`2026-11-${day}T12:00:00Z`));

test('a dependency is behind from its first newer release on, and a finding after 14 days', () => {
  expect(lagAt('1.7.0', '15')).toEqual([]);
  expect(lagAt('1.7.0', '16')).toEqual([
    {
      id: 'newest:left',
      name: 'left',
      severity: 'high',
      title: '1.7.0 is 15 days behind 1.7.2: raise it, or accept it with the decision that says why',
    },
  ]);
});

test('older lines, releases before others and those beyond the latest one are not waited for', () =>
  expect(lagAt('1.7.2', '30')).toEqual([]));

test('an answer without releases says nothing', () => {
  expect(lagOf('left', '1.7.0', '', new Date())).toBeUndefined();
  expect(lagOf('left', '1.7.0', '{"error":{"code":"E404"}}', new Date())).toBeUndefined();
});

test('what signs users in and signs tokens is looked up', () => {
  const { dependencies } = JSON.parse(
    readFileSync(join(resolve(import.meta.dirname, '../..'), 'package.json'), 'utf8'),
  ) as { dependencies: Record<string, string> };
  expect(Object.keys(dependencies).filter((name) => OF_AUTHENTICATION.test(name))).toEqual(
    expect.arrayContaining(['better-auth', '@simplewebauthn/server', 'jose', '@node-rs/argon2', '@node-rs/bcrypt']),
  );
});
