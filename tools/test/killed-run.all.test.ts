import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isSameProcessAlive } from '#services/platform/local/file-lock.mjs';
import { readState, type ServerState, sendSignal } from '#services/platform/local/processes.ts';
import { eventually } from '../testing/eventually.ts';
import { endDeadRuns, endRun } from '../testing/run-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'runs-'));
  // As root, Postgres runs as another user, who must be able to pass through.
  chmodSync(parent, 0o755);
});
afterEach(() => {
  endRun(parent);
  rmSync(parent, { recursive: true, force: true });
});

/** A run of one file of tests, in a folder of its own, with its PostgreSQL and Redis. */
async function startRun() {
  const { SALLYPORT_TEST_FOLDER: _, NODE_V8_COVERAGE: __, ...env } = process.env;
  const before = readdirSync(parent);
  const runner = spawn(process.execPath, ['tools/t.ts', 'tools/testing/smoke.db.test.ts', '--watch'], {
    cwd: ROOT,
    stdio: 'ignore',
    env: { ...env, TMPDIR: parent },
  });
  const ended = once(runner, 'exit');
  const folder = await eventually('the folder of the run', () => {
    const name = readdirSync(parent).find((each) => each.startsWith('sp-') && !before.includes(each));
    return name && join(parent, name);
  });
  const servers = await eventually('its servers', () => {
    const place = readdirSync(folder).find((name) => name.startsWith('sallyport-test-'));
    const states = ['postgres', 'redis'].map((name) =>
      place ? readState(join(folder, place, 'data/run', `${name}.json`)) : undefined,
    );
    return states.every((state) => state !== undefined) && (states as ServerState[]);
  });
  const owner = JSON.parse(readFileSync(join(folder, 'owner.json'), 'utf8')) as { pid: number };
  return { runner, ended, owner, folder, servers };
}

test('the next start ends the servers of a killed run and removes its folder, and leaves a living run alone', async () => {
  const [killed, living] = [await startRun(), await startRun()];
  sendSignal(killed.owner.pid, 'SIGKILL');
  await killed.ended;
  expect(killed.servers.every(isSameProcessAlive)).toBe(true);
  endDeadRuns(parent);
  expect(killed.servers.some(isSameProcessAlive)).toBe(false);
  expect(readdirSync(parent)).toEqual([living.folder.slice(parent.length + 1)]);
  expect(living.servers.every(isSameProcessAlive)).toBe(true);
});

test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)(
  'a runner that ends by %s leaves no server and no folder',
  async (signal) => {
    const { runner, ended, folder, servers } = await startRun();
    runner.kill(signal);
    await ended;
    await eventually('the end of the run', () => !servers.some(isSameProcessAlive));
    await eventually('no folder', () => !readdirSync(parent).includes(folder.slice(parent.length + 1)));
  },
);

test('the folder of a run stays until its process ends: stores of one project stop after the teardown of another', () => {
  const { SALLYPORT_TEST_FOLDER: _, NODE_V8_COVERAGE: __, ...env } = process.env;
  const program = `import { existsSync } from 'node:fs';
    import { setup } from './tools/testing/temporary-folder.ts';
    await setup()?.();
    process.stdout.write(String(existsSync(process.env.SALLYPORT_TEST_FOLDER)));`;
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...env, TMPDIR: parent },
  });
  expect([ended.status, ended.stdout, ended.stderr]).toEqual([0, 'true', '']);
  expect(readdirSync(parent)).toEqual([]);
});

test('a folder without the name of its owner is left alone', () => {
  mkdirSync(join(parent, 'sp-unmarked'));
  endDeadRuns(parent);
  expect(readdirSync(parent)).toEqual(['sp-unmarked']);
});
