#!/usr/bin/env node
// The `sallyport` command: makes the clone runnable, then runs the command line on Node 24.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { ensureReady, fail, node24 } from './bootstrap.mjs';

const main = new URL('../cli/main.ts', import.meta.url);

await ensureReady().catch(fail);
if (realpathSync(process.execPath) === realpathSync(node24)) {
  await import(main.href);
} else {
  // In a process group of its own the child hears a signal to our group only through us, hence exactly once; should
  // we be killed outright, the closing channel tells it.
  const child = spawn(node24, [main.pathname, ...process.argv.slice(2)], {
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
