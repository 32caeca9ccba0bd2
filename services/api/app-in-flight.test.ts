import { type AddressInfo, connect } from 'node:net';
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
