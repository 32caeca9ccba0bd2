import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { answer } from '#services/core/shared/answer.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { rateLimited } from '#services/platform/errors.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { expectProblem, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { type App, createApp } from '../app.ts';
import { bind, bindText, type RouteContext } from '../bind.ts';
import { createCallerResolver } from '../requests/caller.ts';
import { rejectsAll } from '../route-harness.ts';

const about = { summary: '', tag: 'Tokens', auth: 'public', errors: [] } as const;
const any = z.object({}).loose();

const list = defineEndpoint({
  ...about,
  method: 'GET',
  path: '/things',
  operation: 'listThings',
  query: z.strictObject({ limit: z.int().min(1).max(100).default(50), name: z.string().optional() }),
  responses: { 200: any },
});
const read = defineEndpoint({
  ...about,
  method: 'GET',
  path: '/things/{id}',
  operation: 'readThing',
  params: z.strictObject({ id: z.string().max(255) }),
  responses: { 200: any },
});
const remove = defineEndpoint({ ...read, method: 'DELETE', operation: 'removeThing', responses: { 204: null } });
const name = defineEndpoint({
  ...about,
  method: 'POST',
  path: '/things/{id}/name',
  operation: 'nameThing',
  params: z.strictObject({ id: z.string().max(255) }),
  body: z.strictObject({ name: z.string() }),
  responses: { 200: any },
});
const form = defineEndpoint({
  ...name,
  path: '/forms',
  operation: 'sendForm',
  params: undefined,
  bodyType: 'form',
  body: any,
});
const texts = defineEndpoint({ ...name, path: '/texts', operation: 'sendText', params: undefined, bodyOptional: true });
const stream = defineEndpoint({
  ...about,
  method: 'GET',
  path: '/stream',
  operation: 'streamThings',
  responses: { 200: { contentType: 'text/event-stream' } },
});

let app: App;
let routes: RouteContext;
let base: string;
let opened = 0;
let admitted: string[] = [];
let refusesNow = false;

beforeAll(async () => {
  const admission = { counted: [], isClientCounted: false };
  app = createApp({
    log: quietLog,
    trustedProxies: [],
    limiting: {
      identify: () => null,
      limits: {
        admitRequest: ({ ip }) => {
          if (refusesNow) throw rateLimited({ retryAfterSeconds: 7 });
          admitted.push(ip);
          return admission;
        },
        admitCaller: () => null,
        admitItems: () => admission,
      },
    },
  });
  const callers = createCallerResolver(rejectsAll);
  routes = { app: app.fastify, callers, bound: app.bound };
  bind(routes, list, ({ query }) => query);
  bind(routes, read, ({ params }) => params);
  bind(routes, remove, () => null);
  bind(routes, name, ({ body }) => body);
  bind(routes, form, ({ body }) => body);
  bindText(routes, texts, (_text, parsed) => JSON.stringify(parsed() ?? null));
  bind(routes, stream, () => {
    opened += 1;
    return answer(200, Readable.from(['retry: 1\n\n']), { 'content-type': 'text/event-stream; charset=utf-8' });
  });
  await app.fastify.listen({ port: 0, host: '127.0.0.1' });
  base = `http://127.0.0.1:${(app.fastify.server.address() as AddressInfo).port}`;
});
afterAll(() => app.fastify.close());

const JSON_TYPE = { 'content-type': 'application/json' };

test('binding a second endpoint under the same operation name fails the start', () =>
  expect(() => bind(routes, { ...list, path: '/other' }, () => ({}))).toThrow('listThings is bound twice'));

describe('queries', () => {
  test('a member that no schema names is refused, also in the query of an endpoint that takes none', async () => {
    expectProblem(await send(base, 'GET', '/things?unknown=1'), 400, 'request_invalid');
    expectProblem(await send(base, 'DELETE', '/things/1?force=1'), 400, 'request_invalid');
    expectProblem(await send(base, 'POST', '/things/1/name?x=1', { json: { name: 'x' } }), 400, 'request_invalid');
    expect((await send(base, 'GET', '/things?')).status).toBe(200);
  });

  test('a public document accepts the query members that probes and caches add', async () =>
    expect((await send(base, 'GET', '/things/1?t=1732147200')).body).toEqual({ id: '1' }));

  test('numbers are plain decimal integers', async () => {
    expect((await send(base, 'GET', '/things?limit=16')).body).toEqual({ limit: 16 });
    expect((await send(base, 'GET', '/things')).body).toEqual({ limit: 50 });
    for (const limit of ['0x10', '1e1', '%2016', '16%20', '1.0', '', '+5', 'Infinity', '0b1', '1_0', '1&limit=2']) {
      const refused = await send(base, 'GET', `/things?limit=${limit}`);
      expectProblem(refused, 400, 'request_invalid');
      expect([limit, refused.body.problems]).toEqual([
        limit,
        [{ at: 'querystring/limit', why: expect.stringMatching(/^must be/) }],
      ]);
    }
    expect((await send(base, 'GET', '/things?limit=101')).body.problems[0].why).toBe('may be at most 100');
  });
});

test('a path parameter over its length limit is reported as that, at any length, and rate-limited by address', async () => {
  for (const length of [256, 257, 5_000]) {
    admitted = [];
    const refused = await send(base, 'GET', `/things/${'x'.repeat(length)}`);
    expectProblem(refused, 400, 'request_invalid');
    expect(refused.body.problems[0].at).toMatch(/^params/);
    expect(admitted).toEqual(['127.0.0.1']);
  }
  refusesNow = true;
  try {
    const limited = await send(base, 'GET', `/things/${'x'.repeat(300)}`);
    expectProblem(limited, 429, 'rate_limited');
    expect(limited.headers.get('retry-after')).toBe('7');
    expectProblem(await send(base, 'GET', '/%zz'), 429, 'rate_limited');
  } finally {
    refusesNow = false;
  }
  expectProblem(await send(base, 'GET', '/%zz'), 404, 'route_unknown');
});

describe('bodies', () => {
  test('an empty body is treated as no body: JSON declared but not sent, where none is read', async () => {
    const empty = await send(base, 'DELETE', '/things/1', { headers: JSON_TYPE });
    expect([empty.status, empty.text]).toEqual([204, '']);
    const sized = requestText('DELETE', '/things/1', ['Content-Type: application/json', 'Content-Length: 0']);
    expect((await sendBytes(base, sized))?.status).toBe(204);
    expectProblem(await send(base, 'POST', '/things/1/name', { headers: JSON_TYPE }), 400, 'body_malformed');
    const deletion = await send(base, 'DELETE', '/things/1', { headers: { 'content-type': 'text/plain' }, body: 'x' });
    expectProblem(deletion, 415, 'content_type_unsupported');
  });

  test('bodies that are compressed or in another charset are refused and never read as they are', async () => {
    const chunked = (path: string, type: string) =>
      `${requestText('POST', path, [`Content-Type: ${type}`, 'Transfer-Encoding: gzip, chunked'])}2\r\n{}\r\n0\r\n\r\n`;
    for (const [path, type] of [
      ['/things/1/name', 'application/json'],
      ['/texts', 'application/json'],
      ['/forms', 'application/x-www-form-urlencoded'],
    ] as const) {
      const refused = (await sendBytes(base, chunked(path, type)))!;
      expectProblem(refused, 501, 'transfer_coding_unsupported');
      expect(refused.headers.get('connection')).toBe('close');
      const declared: Record<string, string>[] = [
        { 'content-type': type, 'content-encoding': 'gzip' },
        { 'content-type': `${type}; charset=utf-16` },
      ];
      for (const headers of declared)
        expectProblem(await send(base, 'POST', path, { body: 'a=b', headers }), 415, 'content_type_unsupported');
    }
  });

  test('U+FFFD is ordinary text; bytes that are not UTF-8 are refused, never replaced', async () => {
    const json = { name: 'a\ufffdb' };
    for (const path of ['/things/1/name', '/texts']) {
      expect([path, (await send(base, 'POST', path, { json })).body]).toEqual([path, json]);
      const broken = Uint8Array.from([...Buffer.from('{"name":"a'), 0xff, ...Buffer.from('"}')]);
      expectProblem(await send(base, 'POST', path, { body: broken, headers: JSON_TYPE }), 400, 'body_malformed');
    }
  });

  test('the same for forms, percent-encoded or not', async () => {
    const sent = (text: string | Uint8Array<ArrayBuffer>) =>
      send(base, 'POST', '/forms', { body: text, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    for (const [text, fields] of [
      ['a=%EF%BF%BD', { a: '\ufffd' }],
      ['a=\ufffd', { a: '\ufffd' }],
      ['a=1+2%2B&b=%c3%a4&b=2&c', { a: '1 2+', b: ['ä', '2'], c: '' }],
      // URL Standard §5.1.
      ['a=100%&b=%zz', { a: '100%', b: '%zz' }],
    ] as const)
      expect([text, (await sent(text)).body]).toEqual([text, fields]);
    const raw = Uint8Array.from([...Buffer.from('a=b'), 0xff]);
    for (const bad of ['a=%ff', 'a=%c3', 'a=%ed%a0%80', '%ff=a', 'a=1&b=%f0%9f%92', raw])
      expectProblem(await sent(bad), 400, 'body_malformed');
    const many = Array.from({ length: 3_000 }, (_, index) => `k${index}=1`).join('&');
    expect(Object.keys((await sent(many)).body)).toHaveLength(3_000);
  });
});

test('HEAD on a stream answers its headers and opens no stream', async () => {
  const headers = await send(base, 'HEAD', '/stream');
  expect([headers.status, headers.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  expect(headers.headers.get('content-length')).toBeNull();
  expect(opened).toBe(0);
  expect((await send(base, 'GET', '/stream')).text).toBe('retry: 1\n\n');
  expect(opened).toBe(1);
});

test('Allow lists every method of an address, HEAD included, and none of its neighbours’', async () => {
  const allowOf = async (path: string) => {
    const refused = await send(base, 'PUT', path);
    expectProblem(refused, 405, 'method_not_allowed');
    return refused.headers.get('allow');
  };
  expect([await allowOf('/things'), await allowOf('/things/1')]).toEqual(['GET, HEAD', 'GET, HEAD, DELETE']);
  expect(await allowOf('/things/1/name')).toBe('POST');
});

describe('requests that Node would refuse without a body', () => {
  test('a request without a Host', async () => {
    const refused = await sendBytes(base, 'GET /things HTTP/1.1\r\n\r\n');
    expectProblem(refused!, 400, 'request_unreadable');
    expect(refused!.headers.get('connection')).toBe('close');
    // RFC 9112 §3.2 requires it only for HTTP/1.1.
    expect((await sendBytes(base, 'GET /things HTTP/1.0\r\n\r\n'))?.status).toBe(200);
  });

  test('an expectation that is not 100-continue', async () => {
    const refused = await sendBytes(base, requestText('GET', '/things', ['Expect: the-unexpected']));
    expectProblem(refused!, 417, 'expectation_unsupported');
    expect(refused!.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await sendBytes(base, requestText('GET', '/things', ['Expect: 100-continue'])))?.status).toBe(100);
  });
});
