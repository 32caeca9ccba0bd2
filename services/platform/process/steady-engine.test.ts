import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { ENGINE_FLAGS } from './steady-engine.ts';

test.each(ENGINE_FLAGS)('this engine has the habit that %s breaks', (flag) => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  const habit = flag.replace('--no-', '--');
  expect(known).toContain(`default: ${habit}\n`);
});
