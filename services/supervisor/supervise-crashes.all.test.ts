// About: services/supervisor/
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, vi } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { isAlive } from '#tools/testing/processes/alive.ts';
import { askHealth } from './ask-health.ts';
import { bothAlive, fileOnce, nothingLeft, takePort, test, textOf } from './supervisor-harness.ts';

asShipped();

// Most of a test is waiting; with more than two, the processes would wait for each other.
vi.setConfig({ maxConcurrency: 2 });

describe.concurrent('crash', () => {
  test('a crashed child is restarted on the same port with a growing delay, and counted', async ({ lab }) => {
    const run = await lab.start();
    const { api, metrics } = await run.ready();
    const pids = new Set<string>();
    for (const nth of [2, 3, 4]) {
      pids.add(await textOf(api));
      await fetch(`${api}/crash`).catch(() => {});
      expect((await run.ready(nth)).api).toBe(api);
    }
    expect(pids.size).toBe(3);
    expect(run.err).toMatch(/exit code 3\); starting it again in 0\.02 s[\s\S]*in 0\.04 s[\s\S]*in 0\.08 s/);
    expect(await textOf(metrics)).toContain('sallyport_child_restarts_total{process="api-1"} 3\n');
  });

  test('a child whose port was taken while it was down waits for it, because its address is the issuer', async ({
    lab,
  }) => {
    const run = await lab.start();
    const { api } = await run.ready();
    const port = Number(new URL(api).port);
    const thief = createServer();
    run.process.kill('SIGSTOP');
    await fetch(`${api}/crash`).catch(() => {});
    await takePort(thief, port);
    run.process.kill('SIGCONT');
    await run.said(`port ${port} of api-1 is taken: trying again`);
    thief.close();
    expect((await run.ready(2)).api).toBe(api);
  });

  test('a child that was ready and gives up on its store is restarted, and the run continues', async ({ lab }) => {
    const run = await lab.start();
    const { api, pids } = await run.ready();
    await fetch(`${api}/outage`).catch(() => {});
    const again = await run.ready(2);
    expect(again.pids.api).not.toBe(pids.api);
    expect(run.err).toContain('api-1 ended (exit code 1); starting it again');
  });

  test('a stopped child is reported as silent, and again when it is back', async ({ lab }) => {
    const run = await lab.start();
    const { api, metrics, pids } = await run.ready();
    process.kill(pids.api!, 'SIGSTOP');
    expect(await askHealth({ metrics })).toEqual({ 'api-1': 'silent' });
    await run.said(`api-1 (pid ${pids.api}) is silent`);
    process.kill(pids.api!, 'SIGCONT');
    await run.said('api-1 answers again');
    expect(await askHealth({ metrics })).toEqual({});
    expect(await textOf(api)).toBe(String(pids.api));
  });

  test('a restart on request drains, keeps the port and is ready again', async ({ lab }) => {
    const run = await lab.start();
    const { api, pids } = await run.ready();
    run.process.kill('SIGUSR2');
    const again = await run.ready(2);
    expect(again.api).toBe(api);
    expect(again.pids.api).not.toBe(pids.api);
    expect(await textOf(api)).toBe(String(again.pids.api));
    expect(readFileSync(join(run.folder, 'drained'), 'utf8')).toBe('fulfilled fulfilled');
  });
});

describe.concurrent('a store that dies', () => {
  test.for(['postgres', 'redis'] as const)(
    '%s is restarted at the same address, with its data',
    async (name, { lab }) => {
      const run = await lab.start();
      const { api, pids } = await run.ready();
      const url = await textOf(`${api}/env?DATABASE_URL`);
      await queryRows(url)`CREATE TABLE kept AS SELECT 42 AS id`;
      const { pid } = lab.state(name)!;
      process.kill(pid, 'SIGKILL');
      await run.said('had ended: started again');
      expect(lab.state(name)?.pid).not.toBe(pid);
      expect(lab.stores()).toEqual(bothAlive);
      expect(await queryRows(url)`SELECT id FROM kept`).toEqual([{ id: 42 }]);
      expect(await textOf(api)).toBe(String(pids.api));
      run.process.kill('SIGTERM');
      expect(await run.end()).toBe(0);
      expect(readFileSync(join(run.folder, 'drained'), 'utf8')).toBe('fulfilled fulfilled');
      expect(lab.stores()).toEqual(nothingLeft);
    },
  );

  test('a store that moves to another port has its children restarted', async ({ lab }) => {
    const run = await lab.start();
    const { api } = await run.ready();
    const { pid, port } = lab.state('redis')!;
    const thief = createServer((socket) => socket.destroy());
    run.process.kill('SIGSTOP');
    process.kill(pid, 'SIGKILL');
    await takePort(thief, port);
    run.process.kill('SIGCONT');
    await run.ready(2);
    const url = new URL(await textOf(`${api}/env?REDIS_URL`));
    expect(Number(url.port)).not.toBe(port);
    expect(Number(url.port)).toBe(lab.state('redis')?.port);
    thief.close();
  });
});

describe.concurrent('a killed supervisor', () => {
  test('its child drains by itself, its stores stay up, and the next start takes them over with their data', async ({
    lab,
  }) => {
    const first = await lab.start();
    const { api, pids } = await first.ready();
    const url = await textOf(`${api}/env?DATABASE_URL`);
    await queryRows(url)`CREATE TABLE kept AS SELECT 42 AS id`;
    const slow = textOf(`${api}/wait`);
    await fileOnce(join(first.folder, 'waiting'));
    first.signalGroup('SIGKILL');
    await fileOnce(join(first.folder, 'draining'));
    writeFileSync(join(first.folder, 'release'), '');
    expect(await slow).toBe(String(pids.api));
    expect(await fileOnce(join(first.folder, 'drained'))).toBe('fulfilled fulfilled');
    await eventually('the end of the child', () => !isAlive(pids.api!) || undefined);
    expect(lab.stores()).toEqual(bothAlive);

    const postmaster = lab.postgresPid();
    const second = await lab.start();
    const ready = await second.ready();
    expect(lab.postgresPid()).toBe(postmaster);
    expect(await queryRows(await textOf(`${ready.api}/env?DATABASE_URL`))`SELECT id FROM kept`).toEqual([{ id: 42 }]);
    second.process.kill('SIGTERM');
    expect(await second.end()).toBe(0);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('the next start kills a child that hung meanwhile', async ({ lab }) => {
    const first = await lab.start({ TEST_HANG: '1' });
    const { pids } = await first.ready();
    first.signalGroup('SIGKILL');
    await first.end();
    expect(isAlive(pids.api!)).toBe(true);
    const second = await lab.start({ DRAIN_SECONDS: '1' });
    await second.ready();
    expect(isAlive(pids.api!)).toBe(false);
  });
});
