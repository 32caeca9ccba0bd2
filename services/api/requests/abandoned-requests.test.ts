import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { systemClock } from '#services/platform/crypto/system.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { requestText } from '#tools/testing/http-client.ts';
import { bind, type RouteContext } from '../bind.ts';
import { made, serve } from '../route-harness.ts';
import { BEAT_MS, STANDSTILL_MS } from './arrivals.ts';

asShipped();

const standStill = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const keptOpen = (method: string, path: string): string =>
  requestText(method, path, method === 'GET' ? [] : ['Content-Length: 0']).replace('Connection: close\r\n', '');

let served: ReturnType<typeof serve>;
let worked: string[];
let socket: Socket;
let received: string;
const bindAll = (routes: RouteContext): void => {
  for (const [operation, method, limit] of [
    ['change', 'POST', undefined],
    ['judge', 'POST', 'validate'],
    ['read', 'GET', undefined],
  ] as const)
    bind(routes, made({ operation, method, path: `/${operation}`, ...(limit ? { limit } : {}) }), () => {
      worked.push(operation);
      return {};
    });
};
const open = async (): Promise<Socket> => {
  const { port } = served.fastify.server.address() as AddressInfo;
  const opened = connect(port, '127.0.0.1');
  received = '';
  opened.on('data', (part) => (received += part));
  await once(opened, 'connect');
  return opened;
};
/** The next answer on this connection, as text. It may have come before it is asked for, in parts, or with another. */
const answer = (): Promise<string> =>
  eventually('an answer', () => {
    const head = received.indexOf('\r\n\r\n') + 4;
    const length = Number(/^content-length: (\d+)\r$/im.exec(received)?.[1]);
    if (head < 4 || received.length < head + length) return undefined;
    const text = received.slice(0, head + length);
    received = received.slice(head + length);
    return text;
  });

beforeEach(async () => {
  worked = [];
  served = serve();
});
afterEach(async () => {
  socket?.destroy();
  served.fastify.server.closeAllConnections();
  await served.fastify.close();
});

test('a request that waited unread while the process was stopped is 503 and changes nothing, unless it is a read', async () => {
  bindAll(served.routes);
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  socket = await open();
  for (const [method, operation] of [
    ['POST', 'change'],
    ['POST', 'judge'],
    ['GET', 'read'],
  ] as const) {
    socket.write(keptOpen(method, `/${operation}`));
    standStill(STANDSTILL_MS + 100);
    const text = await answer();
    if (operation !== 'change') expect(text).toMatch(/^HTTP\/1\.1 201 /);
    else {
      expect(text).toMatch(/^HTTP\/1\.1 503 /);
      expect(text).toMatch(/retry-after: 1\r\n/i);
      expect(text).toContain('"code":"request_stale"');
    }
  }
  expect(worked).toEqual(['judge', 'read']);
  await expect
    .poll(async () => {
      socket.write(keptOpen('POST', '/change'));
      return (await answer()).slice(9, 12);
    })
    .toBe('201');
  expect(served.failures).toEqual([]);
});

test('a request whose client disconnected while it waited unread is not processed', async () => {
  bindAll(served.routes);
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  for (const ms of [150, STANDSTILL_MS + 100]) {
    socket = await open();
    socket.write(keptOpen('POST', '/change'));
    socket.destroy();
    standStill(ms);
    socket = await open();
    socket.write(keptOpen('GET', '/read'));
    await answer();
    await expect.poll(() => served.inFlight.size).toBe(0);
  }
  expect(worked).toEqual(['read', 'read']);
});

test.each(['left', 'stood still'])(
  'a request that was read is not processed when meanwhile its client or the process %s',
  async (how) => {
    const known = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const callers: RouteContext['callers'] = {
      forEndpoint: (endpoint) => async (request) => {
        const caller = await served.routes.callers.forEndpoint(endpoint)(request);
        asked.resolve();
        await known.promise;
        return caller;
      },
    };
    bindAll({ ...served.routes, callers });
    await served.fastify.listen({ port: 0, host: '127.0.0.1' });
    socket = await open();
    socket.write(keptOpen('POST', '/change'));
    await asked.promise;
    if (how === 'left') {
      socket.destroy();
      await expect.poll(() => served.inFlight.size).toBe(0);
      known.resolve();
      await new Promise((resolve) => setImmediate(resolve));
    } else {
      standStill(STANDSTILL_MS + 100);
      known.resolve();
      expect(await answer()).toContain('"code":"request_stale"');
    }
    expect(worked).toEqual([]);
  },
);

test.each([
  ['counts from the last bytes of a body that comes slowly', true],
  ['counts from its head where the body lay there while the request waited', false],
])('the arrival of a request %s', async (_what, isSlow) => {
  const pause = () => sleep(5 * BEAT_MS).then(() => sleep(5 * BEAT_MS));
  const headRead = Promise.withResolvers<number>();
  const arrived = Promise.withResolvers<number>();
  served.fastify.addHook('onRequest', async () => {
    headRead.resolve(systemClock.monotonic());
    if (!isSlow) await pause();
  });
  const body = z.strictObject({ name: z.string() });
  bind(
    served.routes,
    made({ operation: 'change', method: 'POST', path: '/change', body }),
    (_input, _caller, request) => {
      arrived.resolve(request.arrivedAt as number);
      return {};
    },
  );
  await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  socket = await open();
  const text = '{"name":"slow"}';
  const head = requestText('POST', '/change', ['Content-Type: application/json', `Content-Length: ${text.length}`]);
  socket.write(head + text.slice(0, isSlow ? 4 : undefined));
  const headReadAt = await headRead.promise;
  if (isSlow) {
    await pause();
    socket.write(text.slice(4));
  }
  expect((await arrived.promise) > headReadAt).toBe(isSlow);
});
