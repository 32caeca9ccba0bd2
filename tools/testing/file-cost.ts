// What a test file costs: the processor time of its worker while it runs, and of the processes that it started and
// that ended. The first file of a worker pays for the modules that the others share.
import { appendFileSync, readFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';

/** Ticks of one hundredth of a second: user and system time, own and of children that ended (proc_pid_stat(5), fields 14 to 17). */
function spentSeconds(): number {
  const [, fields = ''] = readFileSync('/proc/self/stat', 'utf8').split(/\) (?=[A-Z] )/);
  return (
    fields
      .split(' ')
      .slice(11, 15)
      .map(Number)
      .reduce((sum, ticks) => sum + ticks, 0) / 100
  );
}

const { TEST_FILE_COSTS: file } = process.env;
if (file !== undefined && process.platform === 'linux') {
  const before = spentSeconds();
  afterAll(() => {
    appendFileSync(file, `${JSON.stringify([expect.getState().testPath, spentSeconds() - before])}\n`);
  });
}
