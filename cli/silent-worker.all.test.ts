import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { opened } from '#tools/testing/opened.ts';
import { sendSignal } from '../services/platform/local/processes.ts';
import { startProduct } from '../tools/testing/harness/product.ts';
import { createTestDatabase, testRedisUrl } from '../tools/testing/harness/stores.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';
import { startTcpProxy } from '../tools/testing/processes/tcp-proxy.ts';

const database = opened(createTestDatabase);
const proxy = opened(() => startTcpProxy(database.url));
const product = opened(() => startProduct({ stores: { databaseUrl: proxy.url, redisUrl: testRedisUrl() } }));

const ask = async (...args: string[]) => runCli(args, { SALLYPORT_DATA_DIR: product.dataDir });

test('status and queue list report a stopped worker as silent, and as ready again once it continues', {
  timeout: 60_000,
}, async () => {
  const pid = product.workerPid()!;
  const workerOf = (json: string) =>
    (JSON.parse(json).running[0].children as { name: string }[]).find((child) => child.name.startsWith('worker'));
  expect(workerOf((await ask('status', '--json')).out)).toMatchObject({ pid, ready: true, health: 'ok' });

  sendSignal(pid, 'SIGSTOP');
  try {
    const status = await ask('status');
    expect(status.code).toBe(0);
    expect(status.out).toContain(
      `pid ${pid}  silent: it does not answer (ps -o stat= -p ${pid}; state T: kill -CONT ${pid})`,
    );
    const list = await ask('queue', 'list');
    expect(list.out).toContain('worker-1  SILENT: it takes no jobs');
    expect(JSON.parse((await ask('queue', 'list', '--json')).out).silent_workers).toEqual(['worker-1']);
  } finally {
    sendSignal(pid, 'SIGCONT');
  }
  expect(workerOf((await ask('status', '--json')).out)).toMatchObject({ name: 'worker-1', pid, health: 'ok' });
  expect(JSON.parse((await ask('queue', 'list', '--json')).out).silent_workers).toEqual([]);
});

test('status says that PostgreSQL does not answer, and that it does again', async () => {
  proxy.freeze();
  try {
    // As late as the patience of this run lets the API be ready with state that it cannot read again.
    const isSaid = async () => /NOT READY: .*postgres unreachable/.test((await ask('status')).out);
    await eventually('that PostgreSQL is unreachable', isSaid);
    expect(await ask('status')).toMatchObject({ code: 1, err: expect.stringContaining('npx sallyport doctor') });
  } finally {
    proxy.thaw();
  }
  await expect.poll(async () => (await ask('status')).code, { timeout: 30_000 }).toBe(0);
  expect(JSON.parse((await ask('status', '--json')).out).running[0]).toMatchObject({ ready: true, faults: [] });
});

test('status names stores given by URL with host and port, without their passwords', async () => {
  const given = { DATABASE_URL: 'postgres://u:hidden-word@db.example/d', REDIS_URL: 'redis://:hidden-word@cache:6380' };
  const { out: stdout } = await runCli(['status'], { SALLYPORT_DATA_DIR: product.dataDir, ...given });
  expect(stdout).toMatch(/postgres {2}given: db\.example:5432\nredis {5}given: cache:6380\n/);
  expect(stdout).not.toContain('hidden-word');
});
