import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { createHandoffTransport } from './handoff.ts';

const received: { readonly path: string; readonly id: string | undefined; readonly body: string }[] = [];
const server = createServer(async (request, response) => {
  const id = request.headers['idempotency-key'] as string | undefined;
  received.push({ path: request.url as string, id, body: await text(request) });
  response.writeHead(202).end();
});
const receiver = opened(() => listening(server));

const post = (allowsPrivate: boolean, signal = new AbortController().signal) =>
  createHandoffTransport({ allowsPrivate }).post(
    { url: `${receiver.url}/events`, headers: { 'idempotency-key': '"e1"' }, body: '{}' },
    signal,
  );

test('posts body and headers, and returns the status', async () => {
  expect(await post(true)).toBe(202);
  expect(received.splice(0)).toEqual([{ path: '/events', id: '"e1"', body: '{}' }]);
});

test('SSRF: an address on a private network gets no request unless the setting allows it', async () => {
  await expect(post(false)).rejects.toThrow('outbound request refused');
  expect(received).toEqual([]);
});

test('sends nothing once the run is to stop', async () => {
  await expect(post(true, AbortSignal.abort())).rejects.toThrow();
  expect(received).toEqual([]);
});
