import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { openClient } from './open-client.ts';

/** Strings as the protocol of Redis writes them, after the kind and length of their list. */
const words = (...texts: string[]): string => `\r\n${texts.map((each) => `$${each.length}\r\n${each}\r\n`).join('')}`;
const SWITCHED = `>3${words('message', '+switch-master', 'main')}`;

/** A Sentinel that names a real primary. From the second question on, it tells of a failover before it answers. */
async function startSentinel(primary: URL) {
  const subscribers = new Set<Socket>();
  let asked = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const answer = async (command: string): Promise<string> => {
      if (/hello/i.test(command)) return '%0\r\n';
      if (/subscribe/i.test(command)) {
        subscribers.add(socket);
        return `>3${words('subscribe', '+switch-master')}:1\r\n`;
      }
      if (!/get-master-addr/.test(command)) return /sentinels/.test(command) ? '*0\r\n' : '+OK\r\n';
      asked += 1;
      for (const each of asked > 1 ? subscribers : []) each.write(SWITCHED);
      await sleep(50);
      return `*2${words(primary.hostname, primary.port)}`;
    };
    socket.on('data', async (bytes) => {
      for (const command of bytes.toString().split(/(?=\*\d+\r\n)/)) socket.write(await answer(command));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => asked,
    hasSubscriber: () => subscribers.size > 0,
  };
}

test('news of a failover in the midst of a search for the primary does not end the client', async () => {
  const redis = new URL(inject('redisUrl'));
  const sentinel = await startSentinel(redis);
  const client = openClient(`redis://${redis.username}:${redis.password}@main/0?sentinels=127.0.0.1:${sentinel.port}`, {
    retryStrategy: () => 20,
  });
  onTestFinished(() => client.disconnect());
  client.on('error', () => {});
  await eventually('the news to be subscribed to', sentinel.hasSubscriber);
  await client.call('CLIENT', 'KILL', 'ID', await client.client('ID'), 'SKIPME', 'no').catch(() => {});
  await eventually('the primary to be asked for again', () => sentinel.asked() > 1);
  await eventually('the client to be ready again', async () => (await client.ping().catch(() => '')) === 'PONG');
  expect(client.status).toBe('ready');
});
