import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { createLogoutTransport } from './logout.ts';

const received: { readonly request: IncomingMessage; readonly body: string }[] = [];
const server = createServer(async (request, response) => {
  received.push({ request, body: await text(request) });
  response.writeHead(204).end();
});
const client = opened(() => listening(server));

const send = (logoutPrivate: boolean, is_vetted: boolean) =>
  createLogoutTransport({ logoutPrivate }).send({ uri: client.url, is_vetted }, 'a.b.c', new AbortController().signal);

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
