// PROCESS: a collector that reads and discards everything, so that exports are real and cost no other process.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Command = { readonly id: number };

let bytes = 0;
const server = createServer((request, response) => {
  request.on('data', (part: Buffer) => {
    bytes += part.length;
  });
  request.once('end', () => response.writeHead(200, { 'content-type': request.headers['content-type'] ?? '' }).end());
});
const listening = new Promise<string>((done) => {
  server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
});
process.on('message', async ({ id }: Command) => {
  process.send?.({ id, result: { endpoint: await listening, bytes } });
});
process.on('disconnect', () => process.exit(0));
