import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { createBreachRanges } from './breach-ranges.ts';

let answer: (request: IncomingMessage, response: ServerResponse) => void;
const asked: { readonly path: string | undefined; readonly padding: unknown }[] = [];
const server = createServer((request, response) => {
  asked.push({ path: request.url, padding: request.headers['add-padding'] });
  answer(request, response);
});
const list = opened(() => listening(server));
const ranges = (timeoutMs?: number) => createBreachRanges(`${list.url}/range`, timeoutMs);

test('requests the padded range of a prefix from the configured address, and returns its lines', async () => {
  answer = (_request, response) => response.end('0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n');
  const text = await ranges().suffixesOf('21BD1');
  expect(text).toBe('0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n');
  expect(asked.at(-1)).toEqual({ path: '/range/21BD1', padding: 'true' });
});

test('SSRF: a redirect is a failure, and its target is never requested', async () => {
  answer = (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end();
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow();
  expect(asked.at(-1)?.path).toBe('/range/21BD1');
});

test.each([500, 404, 429])('an answer of %i is a failure', async (status) => {
  answer = (_request, response) => response.writeHead(status).end('no');
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow(String(status));
});

test('aborts an endless response, and times out on a silent server', async () => {
  answer = (_request, response) => {
    const more = (): void => {
      while (response.write('0'.repeat(65_536)));
      response.once('drain', more);
    };
    more();
  };
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow('too large');
  answer = () => {};
  await expect(ranges(50).suffixesOf('21BD1')).rejects.toMatchObject({ cause: { name: 'TimeoutError' } });
});

test('an unreachable server is a failure', () =>
  expect(createBreachRanges('http://127.0.0.1:1/range').suffixesOf('21BD1')).rejects.toThrow());

test('a compressed answer is a failure', async () => {
  answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('0018A45C4D1DEF8');
  await expect(ranges().suffixesOf('21BD1')).rejects.toThrow('compressed');
});
