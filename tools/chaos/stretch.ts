import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const WORK_MS = 100;
/** Takes this much processor time, and prints how long that took. */
const PROGRAM = `const from = performance.now();
const before = process.cpuUsage();
for (let used = { user: 0, system: 0 }; used.user + used.system < ${WORK_MS} * 1e3; used = process.cpuUsage(before));
process.stdout.write(String(performance.now() - from))`;

/**
 * How many times its processor time work takes on this machine now: 1 when nothing else wants the processor. A process
 * of its own measures it, with the priority that the product's processes have.
 */
export async function measureStretch(): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', PROGRAM]);
  return Math.max(1, Number(stdout) / WORK_MS);
}
