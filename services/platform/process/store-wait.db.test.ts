import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { probePostgres } from './probe-store.ts';
import { waitForStore } from './store-wait.ts';

const databaseUrl = inject('templateUrl').replace('sallyport_template', 'postgres');
let proxy: TcpProxy;
let said: string[];
let tries: number;
beforeEach(async () => {
  proxy = await startTcpProxy(databaseUrl);
  said = [];
  tries = 0;
});
afterEach(() => proxy.cut());

const wait = (
  options: { url?: string; waitSeconds?: number; onSay?: () => unknown; isWanted?: () => boolean } = {},
) => {
  const { url = proxy.url, waitSeconds = 60, onSay = () => {}, isWanted = () => true } = options;
  const say = (text: string): void => {
    said.push(text);
    onSay();
  };
  const work = (): Promise<void> => {
    tries += 1;
    return probePostgres(url);
  };
  return waitForStore(work, { store: 'PostgreSQL', url, waitSeconds, say, isWanted });
};

test('a start waits for a store that refuses connections for a while, and reports it once', async () => {
  const { host } = new URL(proxy.url);
  await proxy.cut();
  await wait({ onSay: () => setTimeout(() => void proxy.restore(), 500) });
  expect(tries).toBeGreaterThan(2);
  expect(said).toEqual([
    `PostgreSQL at ${host} does not answer: connection refused (ECONNREFUSED); retrying for up to 60 s (fix: start it, or correct host and port in DATABASE_URL)`,
  ]);
});

test('a start waits for a store that accepts connections but does not answer', async () => {
  proxy.freeze();
  await wait({ onSay: () => proxy.thaw() });
  expect(said.length).toBe(1);
});

test('the error after the deadline names store, host, port and cause', async () => {
  const { host } = new URL(proxy.url);
  await proxy.cut();
  await expect(wait({ waitSeconds: 1 })).rejects.toMatchObject({
    code: 'store_unreachable',
    message: `PostgreSQL at ${host} does not answer: connection refused (ECONNREFUSED); given up after 1 s`,
    fix: 'start it, or correct host and port in DATABASE_URL',
  });
});

test('a store that refuses us is not retried', async () => {
  const url = new URL(databaseUrl);
  url.password = 'wrong';
  await expect(wait({ url: url.href })).rejects.toMatchObject({ code: 'store_refused' });
  expect([tries, said]).toEqual([1, []]);
});

test('an error of the work itself is not retried', async () => {
  const defect = new Error('a defect');
  const work = (): Promise<never> => {
    tries += 1;
    return Promise.reject(defect);
  };
  const options = { store: 'PostgreSQL', url: databaseUrl, waitSeconds: 60, say: () => {} } as const;
  await expect(waitForStore(work, options)).rejects.toBe(defect);
  expect(tries).toBe(1);
});

test('a stop ends the waiting', async () => {
  await proxy.cut();
  await expect(wait({ isWanted: () => false })).rejects.toMatchObject({ code: 'store_unreachable' });
  expect(tries).toBe(1);
});
