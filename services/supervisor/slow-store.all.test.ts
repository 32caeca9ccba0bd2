// About: services/supervisor/
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { childEnv } from '#tools/testing/processes/child-env.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { randomFreePort } from '../platform/local/ports.ts';
import { processSpecs } from './process-specs.ts';

asShipped();

let database: TestDatabase;
let proxy: TcpProxy;
let dataDir: string;
let child: ChildProcess;
let output: string;
let messages: Record<string, string>[];

beforeEach(async () => {
  database = await createTestDatabase();
  proxy = await startTcpProxy(database.url);
  dataDir = testFolder(onTestFinished);
});
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await proxy.cut();
  await database.drop();
});

/** A child as the supervisor starts it, with its database behind the proxy. */
async function startChild(kind: 'api' | 'worker', env: Record<string, string> = {}): Promise<void> {
  const settings = { server: { apiCopies: 1, drainSeconds: 1 }, stores: { waitSeconds: 60 } };
  const table = processSpecs({
    ...settings,
    mcp: { copies: 1 },
    faces: { mcp: true },
    jobs: { workerCopies: 1, workerDrainSeconds: 1 },
  });
  output = '';
  messages = [];
  child = fork(table.find(({ name }) => name === kind)!.entry, {
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...childEnv(),
      DATABASE_URL: proxy.url,
      REDIS_URL: testRedisUrl(),
      SALLYPORT_DATA_DIR: dataDir,
      PORT: String(await randomFreePort()),
      METRICS_PORT: '0',
      HASHER_CHILDREN: '1',
      HASH_QUEUE: '16',
      ...env,
    },
  });
  for (const stream of [child.stdout, child.stderr])
    stream!.on('data', (part: Buffer) => {
      output += part;
    });
  child.on('message', (message) => messages.push(message as Record<string, string>));
}

const said = (text: string): Promise<unknown> => eventually(`"${text}"`, async () => output.includes(text));
const isReady = async (): Promise<boolean> => {
  if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${output}`);
  return messages.some(({ type }) => type === 'ready');
};

describe.each(['api', 'worker'] as const)('%s', (kind) => {
  test('a database that refuses connections at the start is waited for', async () => {
    await proxy.cut();
    await startChild(kind);
    await said(kind === 'api' ? 'the start waits for PostgreSQL' : 'schedule reconciliation failed');
    await proxy.restore();
    await eventually('ready', isReady);
  });

  test('a database that answers more slowly than a request’s deadline is enough to start', async () => {
    proxy.freeze();
    await startChild(kind);
    await eventually('a first connection', async () => proxy.connections() > 0);
    // Longer than the 900 ms of a request.
    await sleep(2_500);
    proxy.thaw();
    await eventually('ready', isReady);
  });
});

test('an API that gives up on its database reports store, host, port and cause, and never the password', {
  timeout: 60_000,
}, async () => {
  await proxy.cut();
  await startChild('api', { STORE_WAIT_SECONDS: '1' });
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(1);
  const { host, password } = new URL(proxy.url);
  expect(messages).toEqual([
    {
      type: 'fatal',
      code: 'store_unreachable',
      message: `PostgreSQL at ${host} does not answer: connection refused (ECONNREFUSED); given up after 1 s`,
      fix: 'start it, or correct host and port in DATABASE_URL',
    },
  ]);
  expect(output).toContain(messages[0]!.message);
  expect(output).not.toContain(password);
});
