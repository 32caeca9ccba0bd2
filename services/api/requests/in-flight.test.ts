import { EventEmitter } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { callWaiting, made, serve } from '../../platform/testing/worlds/route-world.ts';
import { bind } from '../bind.ts';
import { keepInFlight } from './in-flight.ts';

function pair() {
  const raw = new EventEmitter();
  const request = { placeInFlight: -1 } as FastifyRequest;
  return { request, reply: { request, raw } as unknown as FastifyReply, close: () => raw.emit('close') };
}

test('whoever leaves, first, last or between, the others stay', () => {
  const inFlight = keepInFlight(Fastify());
  const [a, b, c, d] = [pair(), pair(), pair(), pair()];
  for (const { request, reply } of [a, b, c, d]) inFlight.enter(request, reply);
  const held = (): Set<FastifyReply> => new Set(inFlight.replies());
  for (const [leaving, left] of [
    [a, [b, c, d]],
    [c, [b, d]],
    [d, [b]],
    [b, []],
  ] as const) {
    leaving.close();
    // A second time takes nobody else away.
    leaving.close();
    expect(held()).toEqual(new Set(left.map(({ reply }) => reply)));
    expect(inFlight.size).toBe(left.length);
  }
});

test('a caller who goes away before the answer is not in flight for ever', async () => {
  const served = serve();
  const call = await callWaiting(served);
  expect(served.inFlight.size).toBe(1);
  expect(await call.leave()).toBe('left');
  call.end();
  await expect.poll(() => served.inFlight.size).toBe(0);
  await served.fastify.close();
});

test('nor is one who goes away in the midst of the body', async () => {
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
