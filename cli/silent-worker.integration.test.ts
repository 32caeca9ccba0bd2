import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { sendSignal } from '../services/platform/local/processes.ts';
import { type Product, startProduct } from '../testing/harness/product.ts';
import { runCli } from '../testing/processes/run-cli.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ clusterDir: inject('clusterDir') });
}, 120_000);
afterAll(() => product?.dispose());

const ask = async (...args: string[]) => runCli(args, { SALLYPORT_DATA_DIR: product.dataDir });

test('status and queue list report a stopped worker as silent, and as ready again once it continues', {
  timeout: 60_000,
}, async () => {
  const [name, pid] = Object.entries(product.workerPids())[0]!;
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
  expect(workerOf((await ask('status', '--json')).out)).toMatchObject({ name, pid, health: 'ok' });
  expect(JSON.parse((await ask('queue', 'list', '--json')).out).silent_workers).toEqual([]);
});

test('status names stores given by URL with host and port, without their passwords', async () => {
  const given = { DATABASE_URL: 'postgres://u:hidden-word@db.example/d', REDIS_URL: 'redis://:hidden-word@cache:6380' };
  const { out: stdout } = await runCli(['status'], { SALLYPORT_DATA_DIR: product.dataDir, ...given });
  expect(stdout).toMatch(/postgres {2}given: db\.example:5432\nredis {5}given: cache:6380\n/);
  expect(stdout).not.toContain('hidden-word');
});
