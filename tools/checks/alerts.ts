/** Checks that the alert rules are valid and pass their tests: `promtool check rules` and `promtool test rules`. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { ensureProgram } from './debian-package.ts';
import { runStep } from './missing-tool.ts';

const folder = resolve(import.meta.dirname, '../../observability/alerts');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
const tests = files.filter((file) => file.endsWith('.test.yaml'));
const rules = files.filter((file) => !tests.includes(file));

runStep('alert rules by promtool', () => {
  const promtool = ensureProgram({ package: 'prometheus', name: 'promtool', path: 'usr/bin/promtool' });
  for (const args of [
    ['check', 'rules', ...rules],
    ['test', 'rules', ...tests],
  ])
    if (spawnSync(promtool, args, { cwd: folder, stdio: 'inherit' }).status !== 0) process.exitCode = 1;
});
