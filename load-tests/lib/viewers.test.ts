import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Viewers } from './viewers.ts';

test('viewers that got no event are an error, not a latency of zero', async () => {
  const server = createServer((_request, response) => void response.write(':\n\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const viewers = new Viewers();
  onTestFinished(() => {
    viewers.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await viewers.open(`http://127.0.0.1:${port}`, ['viewer=1', 'viewer=2']);
  await viewers.begin();
  await expect(viewers.end()).rejects.toThrow('2 of 2 viewers got no event');
});
