import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isSameProcessAlive } from './file-lock.mjs';
import { readState, sendSignal, stopProcess } from './processes.ts';
import { findRedisUrl, startRedis } from './redis.ts';
import { redisUrlOf } from './redis-users.ts';
import type { LocalService } from './shared-service.ts';

asShipped();

let dataDir: string;
const services: LocalService[] = [];
beforeEach(() => {
  dataDir = testFolder(onTestFinished);
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});

async function start(): Promise<LocalService> {
  const service = await startRedis({ dataDir, say: () => {} });
  services.push(service);
  return service;
}

async function ask<T>(url: string, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    await client.connect();
    return await question(client);
  } finally {
    client.disconnect();
  }
}

/** First bytes of the server's reply to one inline command. */
const rawAnswer = (port: number, command: string): Promise<string> =>
  new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    socket.once('error', fail);
    socket.once('data', (answer) => {
      socket.destroy();
      done(answer.toString());
    });
  });

const state = (): NonNullable<ReturnType<typeof readState>> => readState(join(dataDir, 'run/redis.json'))!;

describe('private Redis', () => {
  test('each process has a user with its keys and commands; the owner of the data directory has every right', async () => {
    const { url } = await start();
    await ask(url, (client) => client.set('auth:{x}', 'session'));
    expect(await ask(redisUrlOf(url, 'api'), (client) => client.get('auth:{x}'))).toBe('session');
    for (const process of ['mcp', 'worker']) {
      expect(await ask(redisUrlOf(url, process), (client) => client.ping())).toBe('PONG');
      await expect(ask(redisUrlOf(url, process), (client) => client.get('auth:{x}'))).rejects.toThrow('NOPERM');
      await expect(ask(redisUrlOf(url, process), (client) => client.call('ACL', 'LIST'))).rejects.toThrow('NOPERM');
    }
    expect(redisUrlOf(url, 'tasks')).toBe(url);
  });

  test('Redis keeps an append-only file, evicts no key, and refuses clients without the password', async () => {
    const { url, startedByUs } = await start();
    expect(startedByUs).toBe(true);
    const settings = await ask(url, (client) => client.config('GET', 'appendonly', 'maxmemory-policy', 'bind'));
    expect(settings).toEqual(
      expect.arrayContaining(['appendonly', 'yes', 'maxmemory-policy', 'noeviction', 'bind', '127.0.0.1']),
    );
    const port = Number(new URL(url).port);
    expect(await rawAnswer(port, 'PING')).toMatch(/^-NOAUTH/);
    expect(await rawAnswer(port, 'AUTH wrong')).toMatch(/^-WRONGPASS/);
  });

  test('other users can read no file of Redis, and Redis leads its own process group', async () => {
    const { url } = await start();
    await ask(url, (client) => client.set('key', 'value'));
    const files = readdirSync(join(dataDir, 'redis'), { recursive: true, encoding: 'utf8' });
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect([file, statSync(join(dataDir, 'redis', file)).mode & 0o077]).toEqual([file, 0]);
    const group = execFileSync('ps', ['-o', 'pgid=', '-p', String(state().pid)], { encoding: 'utf8' }).trim();
    expect(Number(group)).toBe(state().pid);
  });

  test('data survives a stop, and the next start has the same address', async () => {
    const first = await start();
    await ask(first.url, (client) => client.set('kept', '42'));
    await first.stop();
    expect(isSameProcessAlive(state())).toBe(false);
    expect(findRedisUrl(dataDir)).toBeUndefined();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await ask(second.url, (client) => client.get('kept'))).toBe('42');
    expect(findRedisUrl(dataDir)).toBe(second.url);
  });

  test('a killed Redis is restarted; a running one is adopted and stops with its last user', async () => {
    await start();
    await stopProcess(state(), []);
    const second = await start();
    const third = await start();
    expect([second.startedByUs, third.startedByUs]).toEqual([true, false]);
    for (const service of services.splice(0)) await service.stop();
    expect(isSameProcessAlive(state())).toBe(false);
  });

  test('a Redis whose start was killed before the pid was recorded is adopted, so that two never share one append-only file', async () => {
    const first = await start();
    const { pid, port } = state();
    rmSync(join(dataDir, 'run/redis.json'));
    const second = await start();
    expect(second).toMatchObject({ url: first.url, startedByUs: false });
    expect(state()).toMatchObject({ pid, port });
  });

  test('a stopped server is reported with host, port and cause, and is not ended', async () => {
    const first = await start();
    const { pid, port } = state();
    sendSignal(pid, 'SIGSTOP');
    await expect(startRedis({ dataDir, say: () => {}, waitMs: 1_000 })).rejects.toMatchObject({
      code: 'redis_not_answering',
      message: `Redis (pid ${pid}) on 127.0.0.1:${port} runs on this data directory and does not answer: timed out after 1 s`,
    });
    sendSignal(pid, 'SIGCONT');
    expect(await ask(first.url, (client) => client.ping())).toBe('PONG');
  });

  const crashes = Number(process.env.SALLYPORT_CRASHES ?? 5);
  test(
    `after each of ${crashes} crashes in a row the next start finds the written data`,
    async () => {
      const { url } = await start();
      for (let crash = 1; crash <= crashes; crash += 1) {
        await ask(url, (client) => client.config('SET', 'appendfsync', 'always'));
        await ask(url, (client) => client.incr('kept'));
        sendSignal(state().pid, 'SIGKILL');
        const next = await start();
        expect(next).toMatchObject({ url, startedByUs: true });
        expect(await ask(url, (client) => client.get('kept'))).toBe(String(crash));
      }
    },
    60_000 + crashes * 5_000,
  );
});
