import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { expectProblem, requestText, sendBytes } from '#tools/testing/http-client.ts';
import { bind } from '../bind.ts';
import { made, serve } from '../route-harness.ts';
import { sentCredential } from './credentials.ts';

const served = serve({ trustedProxies: ['127.0.0.1'] });
const any = z.object({}).loose();
let base: string;

beforeAll(async () => {
  bind(
    served.routes,
    made({ operation: 'readThings', method: 'GET', responses: { 200: any } }),
    (_input, _caller, request) => ({
      sent: sentCredential(request.headers),
      cookie: request.headers.cookie,
      ip: request.ip,
    }),
  );
  bind(served.routes, made({ operation: 'makeThing', body: any }), ({ body }) => body as object);
  base = await served.fastify.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(() => served.fastify.close());

const read = (...headers: string[]) => sendBytes(base, requestText('GET', '/things', headers));

test('a request with two Host headers, even equal ones, is refused and its connection ends (RFC 9112 §3.2)', async () => {
  for (const second of ['evil.example', 'sallyport.test', '']) {
    const refused = (await read(`Host: ${second}`))!;
    expectProblem(refused, 400, 'request_unreadable');
    expect(refused.headers.get('connection')).toBe('close');
  }
  expectProblem(
    (await sendBytes(base, 'GET /things HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n'))!,
    400,
    'request_unreadable',
  );
});

test('a request with duplicate credentials is refused', async () => {
  const [basic, bearer] = [`Basic ${Buffer.from('a:b').toString('base64')}`, 'Bearer x'];
  expect((await read(`Authorization: ${bearer}`))!.body.sent).toEqual({ kind: 'bearer', token: 'x' });
  for (const [first, second] of [
    [basic, bearer],
    [bearer, basic],
    [bearer, bearer],
    [basic, basic],
  ])
    expect((await read(`Authorization: ${first}`, `Authorization: ${second}`))!.body.sent).toEqual({
      kind: 'malformed',
    });
});

test('a body whose type is declared twice is refused', async () => {
  const types = ['application/json', 'text/plain'].map((type) => `Content-Type: ${type}`);
  for (const headers of [types, types.toReversed()])
    expectProblem(
      (await sendBytes(base, requestText('POST', '/things', headers, '{}')))!,
      415,
      'content_type_unsupported',
    );
});

test('a body whose length is declared twice is not a valid request', async () => {
  const twice = requestText('POST', '/things', ['Content-Type: application/json', 'Content-Length: 2'], '{}');
  expectProblem((await sendBytes(base, twice))!, 400, 'request_unreadable');
});

test('headers that may come in several lines are joined: cookies and forwarding proxies', async () => {
  const { body } = (await read(
    'Cookie: a=1',
    'Cookie: b=2',
    'X-Forwarded-For: 192.0.2.1',
    'X-Forwarded-For: 192.0.2.7',
  ))!;
  expect(body).toMatchObject({ cookie: 'a=1; b=2', ip: '192.0.2.7' });
});
