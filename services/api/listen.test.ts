import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterEach, expect, test } from 'vitest';
import { listen } from './listen.ts';
import { serve } from './route-harness.ts';

const BOTH = ['127.0.0.1', '::1'] as const;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function open() {
  const app = serve();
  app.fastify.get('/address', (request) => ({ address: request.ip }));
  closing.push(() => app.drain(1_000));
  return app;
}
const portOf = (fastify: FastifyInstance): number => (fastify.server.address() as AddressInfo).port;
const ask = async (host: string, port: number) => (await fetch(`http://${host}:${port}/address`)).json();

/** Sends one raw request and returns the status line. */
async function raw(host: string, port: number, text: string): Promise<string> {
  const socket = connect(port, host);
  socket.end(text);
  let answer = '';
  for await (const part of socket) answer += part;
  return answer.split('\r\n', 1)[0] ?? '';
}

test('one server answers on both loopback addresses of one port, and sees the address of its client', async () => {
  const { fastify } = open();
  await listen(fastify, { addresses: BOTH, port: 0 });
  const port = portOf(fastify);
  expect(await ask('127.0.0.1', port)).toEqual({ address: '127.0.0.1' });
  expect(await ask('[::1]', port)).toEqual({ address: '::1' });
});

test('a machine that lacks the second address starts with the first', async () => {
  const { fastify } = open();
  await listen(fastify, { addresses: ['127.0.0.1', '2001:db8::1'], port: 0 });
  expect(await ask('127.0.0.1', portOf(fastify))).toEqual({ address: '127.0.0.1' });
});

test('a port that another program has on the second address is an error, not half an installation', async () => {
  const other = createServer().listen(0, '::1');
  await once(other, 'listening');
  closing.push(() => new Promise((done) => other.close(done)));
  const { port } = other.address() as AddressInfo;
  await expect(listen(open().fastify, { addresses: BOTH, port })).rejects.toThrow('EADDRINUSE');
});

test('unreadable requests and expectations are refused alike on both addresses', async () => {
  const { fastify } = open();
  await listen(fastify, { addresses: BOTH, port: 0 });
  for (const text of [
    'GARBAGE\r\n\r\n',
    'GET /address HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nConnection: close\r\n\r\n',
  ]) {
    const answers = await Promise.all(BOTH.map((host) => raw(host, portOf(fastify), text)));
    expect(answers[0]).toMatch(/^HTTP\/1\.1 4/);
    expect(answers[1]).toBe(answers[0]);
  }
});

test('a drain finishes a running request on the second address, ends its idle connections and frees the port', async () => {
  const app = open();
  const running = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  app.fastify.get('/slow', async () => {
    running.resolve();
    await release.promise;
    return { done: true };
  });
  await listen(app.fastify, { addresses: BOTH, port: 0 });
  const port = portOf(app.fastify);
  const idle = connect(port, '::1');
  idle.write('GET /address HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(idle, 'data');
  const idleEnded = once(idle, 'close');
  const slow = fetch(`http://[::1]:${port}/slow`);
  await running.promise;
  app.startDraining();
  const drained = app.drain(10_000);
  await idleEnded;
  release.resolve();
  expect(await (await slow).json()).toEqual({ done: true });
  await drained;
  await expect(fetch(`http://[::1]:${port}/address`)).rejects.toThrow();
});
