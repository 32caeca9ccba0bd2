import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';

const source = `
  import { listenForStop } from ${JSON.stringify(new URL('./stop-requests.ts', import.meta.url).href)};
  const requests = listenForStop();
  requests.stop.then((reason) => console.log('stop: ' + reason));
  requests.hurry.then(() => console.log('hurry'));
  setInterval(() => {}, 1000);
  console.log('up ' + process.pid);
`;
const listener = ['--input-type=module', '-e', source];
let child: ChildProcess;
let listenerPid = 0;
let out = '';

afterEach(() => {
  child.kill('SIGKILL');
  try {
    process.kill(listenerPid, 'SIGKILL');
  } catch {
    // It was the child itself.
  }
});

async function start(command: string, args: string[], env: NodeJS.ProcessEnv, ipc = false): Promise<void> {
  const stdio: ('ignore' | 'pipe' | 'inherit' | 'ipc')[] = ['ignore', 'pipe', 'inherit'];
  child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, stdio: ipc ? [...stdio, 'ipc'] : stdio });
  out = '';
  child.stdout!.on('data', (part: Buffer) => {
    out += part;
  });
  await said(/up (\d+)/);
  listenerPid = Number(/up (\d+)/.exec(out)?.[1]);
}

async function said(pattern: RegExp): Promise<void> {
  while (!pattern.test(out)) await once(child.stdout!, 'data');
}

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s is a request to stop', async (signal) => {
  await start(process.execPath, listener, {});
  child.kill(signal);
  await said(new RegExp(`stop: ${signal}`));
});

test('the end of the launcher that has our IPC channel is a request to stop', async () => {
  await start(process.execPath, listener, {}, true);
  child.disconnect();
  await said(/stop: the launcher ended/);
});

test('npm killed outright is a request to stop; without npm the end of a shell is not', async () => {
  const behindShell = ['-c', '"$0" --input-type=module -e "$1" & wait', process.execPath, source];
  await start('/bin/sh', behindShell, { npm_lifecycle_event: 'start' });
  child.kill('SIGKILL');
  await said(/stop: npm ended/);
  process.kill(listenerPid, 'SIGKILL');

  await start('/bin/sh', behindShell, {});
  child.kill('SIGKILL');
  await once(child, 'exit');
  process.kill(listenerPid, 'SIGTERM');
  await said(/stop: /);
  expect(out).toContain('stop: SIGTERM');
});
