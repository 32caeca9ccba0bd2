// One temporary folder for a run of tests, in which each file has its own (`file-folder`): both go at the end.
import { endDeadRuns, endRun, openRunFolder } from './run-folder.ts';

const LOOK_MS = 500;

/** Ends this run with the program that started it: a killed one cannot say so. */
function endWithRunner(): void {
  const runner = process.env.TEST_RUNNER_PID;
  if (runner !== String(process.ppid)) return;
  setInterval(() => {
    if (runner !== String(process.ppid)) process.exit(1);
  }, LOOK_MS).unref();
}

export function setup(): void {
  // The projects of one run share it.
  if (process.env.SALLYPORT_TEST_FOLDER) return;
  endDeadRuns();
  const folder = openRunFolder();
  process.env.SALLYPORT_TEST_FOLDER = folder;
  process.env.TMPDIR = folder;
  // Not in a teardown: at a signal vitest exits without it, and the stores of the other projects may stop after it.
  process.once('exit', () => endRun(folder));
  endWithRunner();
}
