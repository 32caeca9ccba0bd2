// Runs the command line in a process of its own, on another Node than this one.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * In a separate process group, the child receives a signal to our group only from us, so exactly once. If we are killed
 * with SIGKILL, the closing channel notifies it.
 * @param {string} node @param {string} main @param {(err: unknown) => never} fail
 */
export function launch(node, main, fail) {
  const child = spawn(node, [main, ...process.argv.slice(2)], {
    cwd: process.cwd(),
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, SALLYPORT_PARENT_CHANNEL: '1' },
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']))
    process.on(signal, () => child.kill(signal));
  child.once('error', fail);
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
}
