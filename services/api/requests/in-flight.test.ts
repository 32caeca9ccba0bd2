import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { made, serve } from '../../platform/testing/worlds/route-world.ts';
import { bind } from '../bind.ts';
import { keepInFlight } from './in-flight.ts';

type Pair = { readonly request: FastifyRequest; readonly reply: FastifyReply };

function pair(): Pair {
  const request = { placeInFlight: -1 } as FastifyRequest;
  return { request, reply: { request } as FastifyReply };
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
    inFlight.leave(leaving.request);
    expect(held()).toEqual(new Set(left.map(({ reply }) => reply)));
    expect(inFlight.size).toBe(left.length);
  }
});

test('leaving twice, or without having come, takes nobody else away', () => {
  const inFlight = keepInFlight(Fastify());
  const [stays, leaves, never] = [pair(), pair(), pair()];
  inFlight.enter(stays.request, stays.reply);
  inFlight.enter(leaves.request, leaves.reply);
  inFlight.leave(leaves.request);
  inFlight.leave(leaves.request);
  inFlight.leave(never.request);
  expect(inFlight.replies()).toEqual([stays.reply]);
});

test('a caller who goes away before the answer is not in flight for ever', async () => {
  const served = serve();
  const begun = Promise.withResolvers<void>();
  const work = Promise.withResolvers<object>();
  bind(served.routes, made({ operation: 'work' }), () => {
    begun.resolve();
    return work.promise;
  });
  const url = await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const leaving = new AbortController();
  const asked = fetch(`${url}/things`, { method: 'POST', signal: leaving.signal });
  await begun.promise;
  expect(served.inFlight.size).toBe(1);
  leaving.abort();
  await expect(asked).rejects.toThrow();
  work.resolve({});
  await expect.poll(() => served.inFlight.size).toBe(0);
  await served.fastify.close();
});
