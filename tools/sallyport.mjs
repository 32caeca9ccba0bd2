#!/usr/bin/env node
// The `sallyport` command: makes the clone runnable, then runs the command line on Node 24.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { ensureReady, fail, node24 } from './bootstrap.mjs';

// What is watched is the sources, so they are what runs then.
const main = new URL(process.argv.includes('--watch') ? '../cli/main.ts' : '../dist/current/cli.mjs', import.meta.url);

await ensureReady().catch(fail);
if (realpathSync(process.execPath) === realpathSync(node24)) {
  await import(main.href);
} else {
  // In a separate process group, the child receives a signal to our group only from us, so exactly once. If we are
  // killed with SIGKILL, the closing channel notifies it.
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
