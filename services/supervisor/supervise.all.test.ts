// About: services/supervisor/
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, vi } from 'vitest';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { descendantsOf, isAlive } from '#tools/testing/processes/alive.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { randomFreePort } from '../platform/local/ports.ts';
import { bothAlive, fileOnce, nothingLeft, occupyPort, type TestBench, test, textOf } from './supervisor-harness.ts';

const machine = asShipped();
// Most of a test is waiting; with more than two, the processes would wait for each other; one more is idle (below).
vi.setConfig({ maxConcurrency: 3 });

// First, because it waits half a minute beside the others.
test.concurrent('a child that never drains, with a longer drain time than the limit, is gone 40 s after the signal, as are the stores', async ({
  lab,
}) => {
  const run = await lab.start({ TEST_HANG: '1' }, { drainSeconds: 50 });
  const { pids } = await run.ready();
  const since = performance.now();
  run.signalGroup('SIGTERM');
  expect(await run.end()).toBe(0);
  expect(performance.now() - since).toBeLessThan(40_000 * machine);
  expect(isAlive(pids.api!)).toBe(false);
  expect(lab.stores()).toEqual(nothingLeft);
});

describe.concurrent('start', () => {
  test('an empty data directory leads to a ready line, stores, a secret of mode 0600 and a child that has them', async ({
    emptyLab: lab,
  }) => {
    const run = await lab.start();
    const ready = await run.ready();
    // The harness's preparation creates no demo users, so there is no file to name.
    expect(Object.keys(ready).sort()).toEqual(['api', 'event', 'mcp', 'metrics', 'pids']);
    expect(ready.mcp).toBe(`${ready.api}/mcp`);
    expect(await textOf(ready.api)).toBe(String(ready.pids.api));
    expect(existsSync(join(run.folder, 'prepared'))).toBe(true);
    expect(lab.stores()).toEqual(bothAlive);

    const secret = readFileSync(join(lab.dataDir, 'auth-secret'), 'utf8');
    expect(Buffer.from(secret, 'base64url').length).toBeGreaterThanOrEqual(32);
    expect(await textOf(`${ready.api}/env?BETTER_AUTH_SECRET`)).toBe(secret);
    expect(await textOf(`${ready.api}/env?BETTER_AUTH_URL`)).toBe(ready.api);
    expect(await textOf(`${ready.api}/env?SALLYPORT_DATA_DIR`)).toBe(lab.dataDir);
    for (const file of ['auth-secret', 'postgres-password', 'redis-password', 'redis/redis.conf']) {
      expect([file, statSync(join(lab.dataDir, file)).mode & 0o777]).toEqual([file, 0o600]);
    }
    expect(run.out.trim().split('\n')).toHaveLength(1);
  });

  test('no password appears in any process argument or in the output', async ({ lab }) => {
    const run = await lab.start();
    await run.ready();
    const pid = run.process.pid as number;
    const commandOf = (each: number | string): string => {
      try {
        return readFileSync(`/proc/${each}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    };
    const own = [pid, ...descendantsOf(pid)].map(commandOf).join('\n');
    const all = readdirSync('/proc').map(commandOf).join('\n');
    for (const commands of [own, all]) expect(commands.includes(lab.dataDir)).toBe(true);
    // The password of PostgreSQL is that of every copy of this cluster, in other tests too.
    for (const [file, commands] of Object.entries({
      'postgres-password': own,
      'redis-password': all,
      'auth-secret': all,
    })) {
      const secret = readFileSync(join(lab.dataDir, file), 'utf8');
      expect([file, commands.includes(secret)]).toEqual([file, false]);
      expect((run.err + run.out).includes(secret)).toBe(false);
    }
  });

  test('a taken port that was set explicitly is named, and nothing starts on another', async ({ lab }) => {
    const { port, close } = await occupyPort();
    try {
      const run = await lab.start({ PORT: String(port) });
      expect(await run.end()).toBe(1);
      expect(run.err).toContain(
        `port ${port} of localhost, which PORT asks for, is taken by another program | end that`,
      );
      expect(existsSync(join(lab.dataDir, 'run/postgres.json'))).toBe(false);
      expect(run.out).toBe('');
    } finally {
      close();
    }
  });

  test('a fatal configuration error is shown with its fix, is not retried, and leaves nothing running', async ({
    lab,
  }) => {
    const run = await lab.start({ TEST_FATAL: '1' });
    expect(await run.end()).toBe(1);
    expect(run.err).toContain('SETTING is bad | set SETTING=good');
    expect(readFileSync(join(run.folder, 'starts'), 'utf8')).toBe('x');
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('a child that crashes five times before it was ever ready is given up', async ({ lab }) => {
    const run = await lab.start({ TEST_BROKEN: '1' });
    expect(await run.end()).toBe(1);
    expect(readFileSync(join(run.folder, 'starts'), 'utf8')).toBe('xxxxx');
    expect(run.err).toMatch(/in 0\.02 s[\s\S]*in 0\.04 s[\s\S]*in 0\.08 s[\s\S]*in 0\.08 s/);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('a failed preparation step ends the start and the stores', async ({ lab }) => {
    const run = await lab.start({ TEST_STEP: 'fail' });
    expect(await run.end()).toBe(1);
    expect(run.err).toContain('the step failed | mend the step');
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('a stop during a preparation step ends the start and leaves nothing running', async ({ lab }) => {
    const run = await lab.start({ TEST_STEP: 'hang' });
    await fileOnce(join(run.folder, 'prepared'));
    expect(lab.stores()).toEqual(bothAlive);
    await run.said('still waiting for the test step …');
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('given DATABASE_URL and REDIS_URL are used, and those stores outlive the run', async ({ lab }) => {
    const first = await lab.start();
    const { api } = await first.ready();
    const given = {
      DATABASE_URL: await textOf(`${api}/env?DATABASE_URL`),
      REDIS_URL: await textOf(`${api}/env?REDIS_URL`),
      SALLYPORT_DATA_DIR: join(lab.folder, 'other-data'),
    };
    const second = await lab.start(given);
    const ready = await second.ready();
    expect(await textOf(`${ready.api}/env?DATABASE_URL`)).toBe(given.DATABASE_URL);
    expect(existsSync(join(given.SALLYPORT_DATA_DIR, 'postgres-18'))).toBe(false);
    second.process.kill('SIGTERM');
    expect(await second.end()).toBe(0);
    expect(lab.stores()).toEqual(bothAlive);
  });
});

describe.concurrent('a store given by URL', () => {
  /** The URLs of a running start, the database through a proxy. */
  async function through(lab: TestBench): Promise<{ proxy: TcpProxy; env: NodeJS.ProcessEnv; host: string }> {
    const { api } = await (await lab.start()).ready();
    const proxy = await startTcpProxy(await textOf(`${api}/env?DATABASE_URL`));
    const env = {
      DATABASE_URL: proxy.url,
      REDIS_URL: await textOf(`${api}/env?REDIS_URL`),
      SALLYPORT_DATA_DIR: join(lab.folder, 'other-data'),
    };
    return { proxy, env, host: new URL(proxy.url).host };
  }

  test('that refuses connections at first is named at once and waited for', async ({ lab }) => {
    const { proxy, env, host } = await through(lab);
    await proxy.cut();
    const run = await lab.start(env);
    await run.said(`PostgreSQL at ${host} does not answer: connection refused (ECONNREFUSED); retrying for up to 60 s`);
    await proxy.restore();
    await run.ready();
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    await proxy.cut();
  });

  test('that accepts connections and is silent at first is named and waited for', async ({ lab }) => {
    const { proxy, env, host } = await through(lab);
    proxy.freeze();
    const run = await lab.start(env);
    await run.said(`PostgreSQL at ${host} does not answer: timed out after 3 s; retrying`);
    proxy.thaw();
    await run.ready();
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    await proxy.cut();
  });

  test('that never answers ends the start with store, host, port and cause', async ({ lab }) => {
    const { proxy, env, host } = await through(lab);
    await proxy.cut();
    const run = await lab.start({ ...env, STORE_WAIT_SECONDS: '1' });
    expect(await run.end()).toBe(1);
    expect(run.err).toContain(
      `PostgreSQL at ${host} does not answer: connection refused (ECONNREFUSED); given up after 1 s | start it, or correct host and port in DATABASE_URL`,
    );
    expect(existsSync(join(run.folder, 'prepared'))).toBe(false);
  });

  test('Redis with a wrong password ends the start at once, with its name', async ({ lab }) => {
    const { proxy, env } = await through(lab);
    const redis = new URL(env.REDIS_URL!);
    redis.password = 'hidden-word';
    const run = await lab.start({ ...env, REDIS_URL: redis.href });
    expect(await run.end()).toBe(1);
    expect(run.err).toContain(
      `Redis at ${redis.host} refuses the password (WRONGPASS) | correct the password in REDIS_URL`,
    );
    expect(run.err).not.toContain('hidden-word');
    await proxy.cut();
  });

  test('an unreachable Redis is named, and the start continues without it', async ({ lab }) => {
    const { proxy, env } = await through(lab);
    const port = await randomFreePort();
    const run = await lab.start({ ...env, REDIS_URL: `redis://127.0.0.1:${port}` });
    await run.ready();
    expect(run.err).toContain(
      `Redis at 127.0.0.1:${port} does not answer: connection refused (ECONNREFUSED); starting without it`,
    );
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    await proxy.cut();
  });
});

describe.concurrent('stop', () => {
  test.for(['SIGINT', 'SIGTERM'] as const)(
    '%s to the whole group lets a request in flight finish while both stores still answer, and then stops everything',
    async (signal, { lab }) => {
      const run = await lab.start();
      const { api, pids } = await run.ready();
      const slow = textOf(`${api}/wait`);
      await fileOnce(join(run.folder, 'waiting'));
      run.signalGroup(signal);
      // npm repeats the signal that the terminal has already sent: both are one request to stop, not a second one.
      run.process.kill(signal);
      await fileOnce(join(run.folder, 'draining'));
      expect(lab.stores()).toEqual(bothAlive);
      writeFileSync(join(run.folder, 'release'), '');
      expect(await slow).toBe(String(pids.api));
      expect(await run.end()).toBe(0);
      expect(readFileSync(join(run.folder, 'drained'), 'utf8')).toBe('fulfilled fulfilled');
      expect(lab.stores()).toEqual(nothingLeft);
      expect(isAlive(pids.api!)).toBe(false);
    },
  );

  test('a child that hangs is killed at its deadline, and the stores still stop', async ({ lab }) => {
    const run = await lab.start({ TEST_HANG: '1' }, { drainSeconds: 1 });
    const { pids } = await run.ready();
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    expect(run.err).toContain('api-1 did not drain within 1 s');
    expect(isAlive(pids.api!)).toBe(false);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('a second Ctrl-C does not wait for the drain', async ({ lab }) => {
    const run = await lab.start({ TEST_HANG: '1' });
    const { pids } = await run.ready();
    run.process.kill('SIGINT');
    await sleep(1_100);
    run.process.kill('SIGINT');
    expect(await run.end()).toBe(0);
    expect(run.err).not.toContain('did not drain');
    expect(isAlive(pids.api!)).toBe(false);
    expect(lab.stores()).toEqual(nothingLeft);
  });
});

describe.concurrent('several', () => {
  test('two starts at once on one data directory share one Postgres, and the last to stop ends it', async ({
    emptyLab: lab,
  }) => {
    const [one, two] = await Promise.all([lab.start(), lab.start()]);
    const [first, second] = await Promise.all([one.ready(), two.ready()]);
    expect(first.api).not.toBe(second.api);
    const variables = ['DATABASE_URL', 'REDIS_URL', 'BETTER_AUTH_SECRET'];
    const seen = (api: string): Promise<string[]> => Promise.all(variables.map((name) => textOf(`${api}/env?${name}`)));
    expect(await seen(first.api)).toEqual(await seen(second.api));

    one.process.kill('SIGTERM');
    expect(await one.end()).toBe(0);
    expect(lab.stores()).toEqual(bothAlive);
    expect(await queryRows(await textOf(`${second.api}/env?DATABASE_URL`))`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    two.process.kill('SIGTERM');
    expect(await two.end()).toBe(0);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('metrics are served even where the data directory’s path is too long for a unix socket', async ({ lab }) => {
    const run = await lab.start({ SALLYPORT_DATA_DIR: join(lab.dataDir, 'x'.repeat(90)) });
    const { metrics } = await run.ready();
    expect(await textOf(metrics)).toContain('sample{process="api-1",kind="a"} 1\n');
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
  });

  test('a process that does not answer a scrape is left out and counted', async ({ lab }) => {
    const run = await lab.start({ TEST_MUTE_METRICS: '1' });
    const { metrics } = await run.ready();
    await textOf(metrics);
    const text = await textOf(metrics);
    expect(text).not.toContain('sample');
    expect(text).toContain('sallyport_scrape_failures_total{process="api-1"} 2\n');
  });
});
