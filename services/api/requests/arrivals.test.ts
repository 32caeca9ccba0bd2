import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '#services/platform/crypto/system.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { type Arrivals, BEAT_MS, IDLE_BEAT_MS, STANDSTILL_MS, watchArrivals } from './arrivals.ts';

asShipped();

const PAUSE_MS = STANDSTILL_MS + 100;
const now = systemClock.monotonic;
const head = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`;
/** Blocks this process; the kernel continues to accept connections. */
const standStill = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

type Seen = { readonly path: string; readonly earliest: number };
let server: ReturnType<typeof createServer>;
let arrivals: Arrivals;
let seen: Seen[];
let port: number;
let sockets: Socket[];
beforeEach(async () => {
  seen = [];
  sockets = [];
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    seen.push({ path: request.url as string, earliest: arrivals.earliest(request.socket) });
    response.end();
  });
  arrivals = watchArrivals(server, systemClock);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function connected(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}
async function ask(socket: Socket, path: string): Promise<Seen> {
  socket.write(head(path));
  await once(socket, 'data');
  return seen.at(-1) as Seen;
}

test('bytes that waited on an open connection while the process was stopped may have arrived at any time during the stop', async () => {
  const socket = await connected();
  await ask(socket, '/before');
  const stoodStillAt = now();
  socket.write(head('/meanwhile'));
  standStill(PAUSE_MS);
  await once(socket, 'data');
  const { path, earliest } = seen.at(-1) as Seen;
  expect(path).toBe('/meanwhile');
  expect(earliest).toBeLessThanOrEqual(stoodStillAt);
  expect(arrivals.hasStoodStillSince(stoodStillAt)).toBe(true);
});

test('bytes on a connection that waited to be accepted may have arrived during the stop too, even on the last of a long queue', async () => {
  const told = new SharedArrayBuffer(4);
  const flag = new Int32Array(told);
  const count = 60;
  const worker = new Worker(
    `const { workerData: { port, count, told } } = require('node:worker_threads');
     const { connect } = require('node:net');
     let written = 0;
     for (let at = 0; at < count; at += 1) {
       const socket = connect(port, '127.0.0.1', () => socket.write('POST /queued HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 0\\r\\n\\r\\n', () => {
         written += 1;
         if (written < count) return;
         Atomics.store(new Int32Array(told), 0, 1);
         Atomics.notify(new Int32Array(told), 0);
       }));
       socket.on('error', () => {});
     }`,
    { eval: true, workerData: { port, count, told } },
  );
  onTestFinished(async () => void (await worker.terminate()));
  await once(worker, 'online');
  Atomics.wait(flag, 0, 0);
  standStill(PAUSE_MS);
  const resumedAt = now();
  await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(count);
  // No connection was accepted after the stop without being recorded as one that may have waited.
  const waited = seen.filter(({ earliest }) => earliest < resumedAt - STANDSTILL_MS);
  expect(waited).toHaveLength(count);
});

test('bytes that arrive after the backlog has been read are fresh, on open and on new connections', async () => {
  const socket = await connected();
  await ask(socket, '/before');
  standStill(PAUSE_MS);
  const resumedAt = now();
  await expect
    .poll(async () => (await ask(socket, '/known')).earliest, { timeout: 20_000 })
    .toBeGreaterThanOrEqual(resumedAt);
  const before = now();
  await expect.poll(async () => (await ask(await connected(), '/new')).earliest).toBeGreaterThanOrEqual(resumedAt);
  expect(arrivals.hasStoodStillSince(before)).toBe(false);
});

test('the reported arrival is never later than the time of sending, however busy the process', async () => {
  const known = await connected();
  for (let round = 0; round < 20; round += 1)
    for (const socket of [known, await connected()]) {
      const sentAt = now();
      socket.write(head('/'));
      standStill(round * 2);
      await once(socket, 'data');
      expect((seen.at(-1) as Seen).earliest).toBeLessThanOrEqual(sentAt);
    }
});

test('before the server listens, no request can have waited', () => {
  const silent = watchArrivals(createServer(), systemClock);
  const before = now();
  expect(silent.earliest({} as Socket)).toBeGreaterThanOrEqual(before);
  expect(silent.hasStoodStillSince(before)).toBe(false);
});

test('the clock is read less often after a second without a request, and as often as before from the next one on', async () => {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const asked = (): unknown[] =>
    timers.mock.calls.map(([, ms]) => ms).filter((ms) => ms === BEAT_MS || ms === IDLE_BEAT_MS);
  onTestFinished(() => timers.mockRestore());
  const socket = await connected();
  await expect.poll(asked, { timeout: 20_000 }).toEqual([IDLE_BEAT_MS]);
  const sentAt = now();
  expect((await ask(socket, '/first')).earliest).toBeLessThanOrEqual(sentAt + STANDSTILL_MS);
  expect(asked()).toEqual([IDLE_BEAT_MS, BEAT_MS]);
  await ask(socket, '/second');
  expect(asked()).toEqual([IDLE_BEAT_MS, BEAT_MS]);
});
