// Runs k6 scenarios at their full rate and prints their figures. A limit that was not met is printed, and does not fail: it
// depends on the machine, as do rare refusals for now. A wrong answer fails.
import { spawnSync } from 'node:child_process';
import { type PerformanceResult, textTable, wrongCases } from '#load-tests/lib/load-report.ts';
import { ROOT } from './run.ts';

/** `sustained` for three of its fifteen minutes. */
const SCENARIOS = [
  ['sessions', '--profile', 'load'],
  ['sustained', '--profile', 'load', '--seconds', '180'],
] as const;
/** The exit code of `npm run load` without k6, or without an answer of the installation. */
const UNREACHABLE = 3;

for (const [name, ...options] of SCENARIOS) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['load-tests/run.ts', name, ...options, '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  const line = stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) {
    const why = stderr.trim().split('\n').at(-1) ?? '';
    const isMissing = status === UNREACHABLE && /k6/.test(why);
    process.stdout.write(`${isMissing ? 'SKIPPED: ' : ''}${name}: ${why}\n`);
    if (!isMissing) process.exitCode = 1;
    continue;
  }
  const result = JSON.parse(line) as PerformanceResult;
  const limits = `${name}: every limit was ${result.passed ? '' : 'NOT '}met on this machine`;
  const wrong = wrongCases(result).map(({ name: what, note }) => `WRONG: ${what} ${note}\n`);
  process.stdout.write(`${limits}\n${textTable(result)}\n${wrong.join('')}`);
  if (wrong.length > 0) process.exitCode = 1;
}
