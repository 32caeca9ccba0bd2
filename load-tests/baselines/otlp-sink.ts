// PROCESS: a collector that reads and discards everything, so that exports are real and cost no other process.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerCommands } from '../lib/answer-commands.ts';

const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => response.writeHead(200, { 'content-type': request.headers['content-type'] ?? '' }).end());
});
await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
await answerCommands(() => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
