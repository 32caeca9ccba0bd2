import { spawn } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';

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
  expect(kept.lookUps.filter(({ state }) => state === 'failed')).toEqual([]);
  expect(code).toBe(1);
  expect(out).toMatch(/^FAILED: pip-audit of .*could not be audited/m);
});
