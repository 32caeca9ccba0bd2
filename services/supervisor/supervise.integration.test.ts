import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { test as baseTest, describe, expect, inject, vi } from 'vitest';
import { copyCluster } from '../platform/testing/processes/prepared-cluster.ts';
import { eventually, fileOnce, isAlive, TestBench, textOf } from './testing.ts';

// Most of a test is waiting; the processes of more than two would wait for each other, and one more is idle (below).
vi.setConfig({ maxConcurrency: 3 });

/** Each test has a data directory of its own: `emptyLab` with nothing in it, `lab` with a new Postgres. */
const test = baseTest.extend<{ readonly emptyLab: TestBench; readonly lab: TestBench }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures this one needs from the pattern
  emptyLab: async ({}, use) => {
    const lab = new TestBench();
    await use(lab);
    await lab.dispose();
  },
  lab: async ({ emptyLab }, use) => {
    await copyCluster(inject('clusterDir'), emptyLab.dataDir);
    await use(emptyLab);
  },
});

const nothingLeft = { postgres: false, redis: false };
const bothAlive = { postgres: true, redis: true };

async function occupyPort(): Promise<{ port: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** Listens on a port as soon as its owner lets go of it. */
const takePort = (server: Server, port: number): Promise<true> =>
  eventually(`port ${port}`, () => {
    const attempt = Promise.withResolvers<true | undefined>();
    server.once('error', () => attempt.resolve(undefined));
    server.listen(port, '127.0.0.1', () => attempt.resolve(true));
    return attempt.promise;
  });

async function runSql(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

// First, as it waits for half a minute beside the others.
test.concurrent('what never drains, with more time allowed than there is, is gone 40 s after the signal, stores and all', async ({
  lab,
}) => {
  const run = await lab.start({ TEST_HANG: '1' }, { drainSeconds: 50 });
  const { pids } = await run.ready();
  const since = performance.now();
  run.signalGroup('SIGTERM');
  expect(await run.end()).toBe(0);
  expect(performance.now() - since).toBeLessThan(40_000);
  expect(isAlive(pids.api!)).toBe(false);
  expect(lab.stores()).toEqual(nothingLeft);
});

describe.concurrent('start', () => {
  test('an empty data directory becomes a ready line, stores, a secret of mode 0600 and a child that knows them', async ({
    emptyLab: lab,
  }) => {
    const run = await lab.start();
    const ready = await run.ready();
    // The lab's preparation makes no demo people, so there is no file to name.
    expect(Object.keys(ready).sort()).toEqual(['api', 'event', 'metrics', 'pids']);
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

  test('no password appears in any process argument, nor in what is said', async ({ lab }) => {
    const run = await lab.start();
    await run.ready();
    const secrets = ['postgres-password', 'redis-password', 'auth-secret'].map((file) =>
      readFileSync(join(lab.dataDir, file), 'utf8'),
    );
    const commands = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        } catch {
          return '';
        }
      })
      .join('\n');
    expect(commands.includes(lab.dataDir)).toBe(true);
    for (const secret of secrets) {
      expect(commands.includes(secret)).toBe(false);
      expect((run.err + run.out).includes(secret)).toBe(false);
    }
  });

  test('a taken port moves to the next free one, said aloud', async ({ lab }) => {
    const { port, close } = await occupyPort();
    try {
      const run = await lab.start({ PORT: String(port) });
      const ready = await run.ready();
      expect(Number(new URL(ready.api).port)).toBeGreaterThan(port);
      expect(run.err).toContain(`port ${port} is taken: using ${new URL(ready.api).port}`);
      expect(await textOf(ready.api)).toBe(String(ready.pids.api));
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

  test('a failed preparation step ends the start and the stores with it', async ({ lab }) => {
    const run = await lab.start({ TEST_STEP: 'fail' });
    expect(await run.end()).toBe(1);
    expect(run.err).toContain('the step failed | mend the step');
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('a stop in the middle of a preparation step ends the start and leaves nothing running', async ({ lab }) => {
    const run = await lab.start({ TEST_STEP: 'hang' });
    await fileOnce(join(run.folder, 'prepared'));
    expect(lab.stores()).toEqual(bothAlive);
    await run.said('still waiting for the test step …');
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('given DATABASE_URL and REDIS_URL are used, and outlive the run', async ({ lab }) => {
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

describe.concurrent('crash', () => {
  test('a crashed child is started again on the same port, each time a little later, and counted', async ({ lab }) => {
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
    '%s is started again at the same address, with its data',
    async (name, { lab }) => {
      const run = await lab.start();
      const { api, pids } = await run.ready();
      const url = await textOf(`${api}/env?DATABASE_URL`);
      await runSql(url, 'CREATE TABLE kept AS SELECT 42 AS id');
      const { pid } = lab.state(name)!;
      process.kill(pid, 'SIGKILL');
      await run.said('had ended: started again');
      expect(lab.state(name)?.pid).not.toBe(pid);
      expect(lab.stores()).toEqual(bothAlive);
      expect(await runSql(url, 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
      expect(await textOf(api)).toBe(String(pids.api));
      run.process.kill('SIGTERM');
      expect(await run.end()).toBe(0);
      expect(readFileSync(join(run.folder, 'drained'), 'utf8')).toBe('fulfilled fulfilled');
      expect(lab.stores()).toEqual(nothingLeft);
    },
  );

  test('a store that must move to another port takes its children with it', async ({ lab }) => {
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

describe.concurrent('stop', () => {
  test.for(['SIGINT', 'SIGTERM'] as const)(
    '%s to the whole group lets a request in flight finish while both stores still answer, and then leaves nothing',
    async (signal, { lab }) => {
      const run = await lab.start();
      const { api, pids } = await run.ready();
      const slow = textOf(`${api}/wait`);
      await fileOnce(join(run.folder, 'waiting'));
      run.signalGroup(signal);
      // npm passes on what the terminal has sent already: the pair is one request to stop, not a hurry.
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

describe.concurrent('a killed supervisor', () => {
  test('its child drains by itself, its stores live on, and the next start takes them over with their data', async ({
    lab,
  }) => {
    const first = await lab.start();
    const { api, pids } = await first.ready();
    const url = await textOf(`${api}/env?DATABASE_URL`);
    await runSql(url, 'CREATE TABLE kept (id int); INSERT INTO kept VALUES (42)');
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
    expect(await runSql(await textOf(`${ready.api}/env?DATABASE_URL`), 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
    second.process.kill('SIGTERM');
    expect(await second.end()).toBe(0);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('the next start ends a child that hung meanwhile', async ({ lab }) => {
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

describe.concurrent('several', () => {
  test('two starts at once on one data directory share one Postgres, and only the last to go stops it', async ({
    emptyLab: lab,
  }) => {
    const { port, close } = await occupyPort();
    const env = { PORT: String(port) };
    const [one, two] = await Promise.all([lab.start(env), lab.start(env)]);
    const [first, second] = await Promise.all([one.ready(), two.ready()]);
    close();
    expect(new Set([String(port), new URL(first.api).port, new URL(second.api).port]).size).toBe(3);
    const variables = ['DATABASE_URL', 'REDIS_URL', 'BETTER_AUTH_SECRET'];
    const seen = (api: string): Promise<string[]> => Promise.all(variables.map((name) => textOf(`${api}/env?${name}`)));
    expect(await seen(first.api)).toEqual(await seen(second.api));

    one.process.kill('SIGTERM');
    expect(await one.end()).toBe(0);
    expect(lab.stores()).toEqual(bothAlive);
    expect(await runSql(await textOf(`${second.api}/env?DATABASE_URL`), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    two.process.kill('SIGTERM');
    expect(await two.end()).toBe(0);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('copies share one port under one parent, serve metrics each, and drain together', async ({ lab }) => {
    const run = await lab.start({}, { copies: 2 });
    const { api, metrics, pids } = await run.ready();
    const workers = new Set<string>();
    await eventually('an answer from both copies', async () => {
      workers.add(await textOf(api));
      return workers.size === 2 || undefined;
    });
    for (const pid of workers) {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      expect(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])).toBe(pids.api);
    }
    const text = await textOf(metrics);
    expect(text.match(/^# TYPE sample /gm)).toHaveLength(1);
    expect(text).toContain('sample{process="api-1",kind="a"} 1\n');
    expect(text).toContain('sample{process="api-2",kind="a"} 1\n');
    run.process.kill('SIGTERM');
    expect(await run.end()).toBe(0);
    expect([...workers].filter((pid) => isAlive(Number(pid)))).toEqual([]);
    expect(lab.stores()).toEqual(nothingLeft);
  });

  test('metrics are served even where the data directory has too long a path for a unix socket', async ({ lab }) => {
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
