import Fastify from 'fastify';
import { expect, test } from 'vitest';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { keepPagesToOwnHost } from './own-host.ts';

const page = { 200: { contentType: 'text/html; charset=utf-8' } };
const showPage = { method: 'GET', responses: page } as unknown as Endpoint;
const sendPage = { method: 'POST', responses: page } as unknown as Endpoint;
const readJson = { method: 'GET', responses: { 200: null } } as unknown as Endpoint;
const sendJson = { method: 'POST', responses: { 200: null } } as unknown as Endpoint;

function serve(publicUrl: string, more: readonly string[] = []) {
  const app = Fastify();
  keepPagesToOwnHost(app, { publicUrl, origins: new Set([new URL(publicUrl).origin, ...more]) });
  app.setErrorHandler((err, _request, reply) => {
    if (!isAppError(err)) throw err;
    return reply.code(err.definition.status).send({ code: err.code, ...err.options.members });
  });
  app.get('/page', { config: { endpoint: showPage } }, () => 'page');
  app.post('/page', { config: { endpoint: sendPage } }, () => 'sent');
  app.get('/json', { config: { endpoint: readJson } }, () => 'json');
  app.post('/json', { config: { endpoint: sendJson } }, () => 'json');
  return app;
}

const open = (publicUrl: string, host: string, more?: readonly string[], url = '/page?next=%2Faccount') =>
  serve(publicUrl, more).inject({ url, headers: { host, accept: 'text/html,*/*' } });

test.each(['127.0.0.1:3000', '[::1]:3000', '127.8.8.8:3000', 'auth.localhost:3000'])(
  'a page that is opened at %s is redirected to the configured loopback name, with its query, and is not cached',
  async (host) => {
    const { statusCode, headers } = await open('http://localhost:3000', host);
    expect([statusCode, headers.location]).toEqual([302, 'http://localhost:3000/page?next=%2Faccount']);
    expect(headers['cache-control']).toBe('no-store');
  },
);

test('the configured address itself is served, also in capitals, and so is a listed origin', async () => {
  expect((await open('http://localhost:3000', 'LOCALHOST:3000')).body).toBe('page');
  expect((await open('http://127.0.0.1:3000', 'localhost:3000', ['http://localhost:3000'])).body).toBe('page');
});

test.each([
  ['with the address of this process', 'http://localhost:8080/auth', '127.0.0.1:3000'],
  ['without the port', 'http://localhost:8080', '127.0.0.1'],
  ['with a name of its own', 'http://localhost:3000', 'sallyport_api'],
  ['with its public name, for another one', 'https://auth.example.test', 'other.example.test'],
  ['with a loopback address, for a public name', 'https://auth.example.test', '127.0.0.1'],
  ['with one that is no host', 'http://localhost:3000', 'a b'],
])('behind a proxy that sends a Host %s, pages are served where they are', async (_what, publicUrl, host) => {
  expect((await open(publicUrl, host)).body).toBe('page');
});

test('a prefix of the public address is kept', async () => {
  const { headers } = await open('http://localhost:3000/auth', '127.0.0.1:3000');
  expect(headers.location).toBe('http://localhost:3000/auth/page?next=%2Faccount');
});

test('neither programs nor answers without pages are redirected', async () => {
  const app = serve('http://localhost:3000');
  const host = '127.0.0.1:3000';
  expect((await app.inject({ url: '/page', headers: { host, accept: '*/*' } })).body).toBe('page');
  expect((await app.inject({ url: '/page', headers: { host } })).body).toBe('page');
  expect((await app.inject({ url: '/json', headers: { host, accept: 'text/html' } })).body).toBe('json');
});

const send = (publicUrl: string, headers: Record<string, string>, url = '/page') =>
  serve(publicUrl, ['https://listed.test']).inject({ method: 'POST', url, headers });

test.each([
  ['http://localhost:3000', 'http://127.0.0.1:3000', '127.0.0.1:3000'],
  ['https://auth.example.test/id', 'https://alias.example.test', 'alias.example.test'],
])(
  'a form for %s that was opened at %s is refused, and the answer names the right address',
  async (publicUrl, origin, host) => {
    const { statusCode, body } = await send(publicUrl, { origin, host });
    expect([statusCode, JSON.parse(body)]).toEqual([403, { code: 'wrong_host', address: publicUrl }]);
  },
);

test('a form of our origin, of a listed one, of another site or without an Origin is left to the checks of forms', async () => {
  const publicUrl = 'http://localhost:3000';
  const left: Record<string, string>[] = [
    { origin: publicUrl, host: 'localhost:3000' },
    { origin: publicUrl, host: '127.0.0.1:3000' },
    { origin: 'https://listed.test', host: 'listed.test' },
    { origin: 'https://evil.test', host: 'localhost:3000' },
    { origin: 'null', host: '127.0.0.1:3000' },
    { host: '127.0.0.1:3000' },
  ];
  for (const headers of left) expect([headers, (await send(publicUrl, headers)).body]).toEqual([headers, 'sent']);
  const { body } = await send(publicUrl, { origin: 'http://127.0.0.1:3000', host: '127.0.0.1:3000' }, '/json');
  expect(body).toBe('json');
});
