import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { isPortFree, randomFreePort } from './ports.ts';

const HOST = '127.0.0.1';

test('a free port is below those that connections are given, so that it stays free while its server is stopped', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => randomFreePort()));
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

test('a port is taken while somebody listens there, and free afterwards', async () => {
  const port = await randomFreePort();
  const server = createServer();
  await new Promise<void>((done) => server.listen(port, HOST, done));
  expect(await isPortFree(port, HOST)).toBe(false);
  await new Promise((done) => server.close(done));
  expect(await isPortFree(port, HOST)).toBe(true);
});
