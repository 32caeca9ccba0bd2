import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { bind } from './bind.ts';
import { callWaiting, made, serve } from './route-harness.ts';

test('a request whose client disconnects before the answer does not stay in flight', async () => {
  const served = serve();
  const call = await callWaiting(served);
  expect(served.inFlight.size).toBe(1);
  expect(await call.leave()).toBe('left');
  call.end();
  await expect.poll(() => served.inFlight.size).toBe(0);
  await served.fastify.close();
});

test('nor does one whose client disconnects in the middle of the body', async () => {
  const served = serve();
  bind(served.routes, made({ operation: 'work', body: z.object({}) }), () => ({}));
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const { port } = served.fastify.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write(
    'POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":',
  );
  await expect.poll(() => served.inFlight.size).toBe(1);
  socket.destroy();
  await expect.poll(() => served.inFlight.size).toBe(0);
  await served.fastify.close();
});

test('many callers who stop in the middle of a body hold no other caller back, and are answered 408 at the bound of the server', async () => {
  const served = serve();
  const { server } = served.fastify;
  const reached: unknown[] = [];
  bind(served.routes, made({ operation: 'work', body: z.object({ from: z.string() }) }), ({ body }) => {
    reached.push(body);
    return {};
  });
  // Node takes the longer of both for the whole request.
  expect(Math.max(server.headersTimeout, server.requestTimeout)).toBe(10_000);
  // The bound comes when the test says so. Node does not declare how often it looks for slow requests.
  Object.assign(server, { headersTimeout: 3_600_000, requestTimeout: 3_600_000, connectionsCheckingInterval: 10 });
  const url = await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const slow = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      await once(socket, 'connect');
      socket.write(
        'POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      );
      return { socket, answer: text(socket) };
    }),
  );
  await expect.poll(() => served.inFlight.size, { timeout: 30_000 }).toBe(slow.length);
  const headers = { 'content-type': 'application/json' };
  const other = await fetch(`${url}/things`, { method: 'POST', headers, body: '{"from":"another"}' });
  expect(other.status).toBe(201);
  expect(slow.filter(({ socket }) => socket.closed || socket.bytesRead > 0)).toEqual([]);

  Object.assign(server, { headersTimeout: 1, requestTimeout: 1 });
  for (const answer of await Promise.all(slow.map((each) => each.answer))) {
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('request_too_slow');
  }
  await expect.poll(() => served.inFlight.size, { timeout: 30_000 }).toBe(0);
  expect(reached).toEqual([{ from: 'another' }]);
  await served.fastify.close();
});
