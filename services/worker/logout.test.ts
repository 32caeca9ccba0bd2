import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogoutTransport } from './logout.ts';

const received: { readonly request: IncomingMessage; readonly body: string }[] = [];
const server = createServer(async (request, response) => {
  received.push({ request, body: await text(request) });
  response.writeHead(204).end();
});
let base: string;
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const send = (logoutPrivate: boolean, is_vetted: boolean) =>
  createLogoutTransport({ logoutPrivate }).send({ uri: base, is_vetted }, 'a.b.c', new AbortController().signal);

test('posts the token as a form, and returns the status (Back-Channel Logout §2.5)', async () => {
  expect(await send(true, true)).toBe(204);
  const [{ request, body } = {}] = received.splice(0);
  expect(request?.method).toBe('POST');
  expect(request?.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/);
  expect(body).toBe('logout_token=a.b.c');
});

test('SSRF: a private address gets no request by default, and never for a client that no administrator registered', async () => {
  await expect(send(false, true)).rejects.toThrow('outbound request refused');
  await expect(send(true, false)).rejects.toThrow('outbound request refused');
  expect(received).toEqual([]);
});
