/** A program that a check needs is not on this machine and could not be installed. The message says how to install it. */
export class MissingTool extends Error {}

/**
 * Runs a step of the tests in a process of its own. What this machine lacks skips it, in a line that `npm test` counts;
 * any other error fails it.
 * @param what is checked, as the line names it
 */
export function runStep(what: string, work: () => void): void {
  try {
    work();
  } catch (err) {
    const { message } = err as Error;
    if (err instanceof MissingTool) {
      process.stdout.write(`SKIPPED: ${what}: ${message.split('\n')[0]}\n`);
      return;
    }
    process.stderr.write(`${message}\n`);
    process.exitCode = 1;
  }
}
