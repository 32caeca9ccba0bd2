// PROCESS: receives pushed events and prints them.
import { createServer } from 'node:http';
import { createMemoryStore } from './event-store.ts';
import { createEventReceiver } from './receiver.ts';

const port = Number(process.env.RECEIVER_PORT || 8100);
const api = process.env.BETTER_AUTH_URL || 'http://localhost:3000';
const url = process.env.RECEIVER_URL || `http://127.0.0.1:${port}/events`;

const store = createMemoryStore(({ type, subject, data }, isLate) => {
  process.stdout.write(`${data.seq} ${type} ${data.outcome} ${subject}${isLate ? ' (late)' : ''}\n`);
});
const server = createServer(createEventReceiver({ api, issuer: process.env.JWT_ISSUER || api, url, store }));
const stop = (): void => void server.close(() => process.exit());
process.once('SIGTERM', stop).once('SIGINT', stop);
server.listen(port, process.env.HOST || '127.0.0.1', () => process.stderr.write(`events are received at ${url}\n`));
