import Fastify from 'fastify';
import { expect, test } from 'vitest';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { createBrowserRules, isForAnyone } from './browser-rules.ts';

const OWN = 'https://own.test';
const LISTED = 'https://listed.test';
const rules = createBrowserRules({ origins: new Set([OWN, LISTED]), isTlsOnly: true });
const publicDocument = { auth: 'public', method: 'GET', cacheControl: 'public, max-age=60' } as unknown as Endpoint;
const privateAnswer = { auth: { accepts: ['bearer'] }, method: 'GET' } as unknown as Endpoint;

async function serve() {
  const app = Fastify();
  app.addHook('onRequest', (request, reply, done) => {
    rules.apply(request, reply);
    done();
  });
  app.get('/document', { config: { endpoint: publicDocument } }, () => ({}));
  app.get('/private', { config: { endpoint: privateAnswer } }, () => ({}));
  app.setNotFoundHandler((request, reply) => {
    const isForAll = request.url === '/document';
    const methods = request.url === '/nowhere' ? [] : ['GET'];
    if (!rules.isPreflight(request)) {
      reply.code(404).send();
      return;
    }
    const refusal = rules.preflight(request, reply, { methods, isForAnyone: isForAll });
    if (refusal !== null)
      reply
        .code(499)
        .headers(refusal.options.headers ?? {})
        .send({ code: refusal.code });
  });
  await app.ready();
  return app;
}

const ask = async (url: string, headers: Record<string, string>, method: 'GET' | 'OPTIONS' = 'GET') =>
  (await serve()).inject({ method, url, headers });

test('a listed origin may read with credentials; an unlisted, null or look-alike origin may read nothing', async () => {
  for (const origin of [OWN, LISTED]) {
    const { headers } = await ask('/private', { origin });
    expect(headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': expect.stringContaining('retry-after'),
      vary: 'Origin',
    });
  }
  for (const origin of ['null', '', '*', 'https://listed.test.evil.test', 'https://LISTED.test', `${LISTED}/`]) {
    const { headers } = await ask('/private', { origin });
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(headers.vary).toBe('Origin');
  }
});

test('any page may read a public cacheable document, never with credentials', async () => {
  for (const origin of [LISTED, 'https://foreign.test', 'null']) {
    const { headers } = await ask('/document', { origin });
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
    expect(headers['cross-origin-resource-policy']).toBe('cross-origin');
  }
  expect([isForAnyone(publicDocument), isForAnyone(privateAnswer)]).toEqual([true, false]);
  expect(isForAnyone({ ...publicDocument, cacheControl: undefined } as unknown as Endpoint)).toBe(false);
  expect(isForAnyone({ ...publicDocument, method: 'POST' })).toBe(false);
});

test('a preflight names exactly the methods of the path, and nothing to an unlisted origin', async () => {
  const asked = { 'access-control-request-method': 'GET' };
  const good = await ask('/private', { origin: LISTED, ...asked }, 'OPTIONS');
  expect([good.statusCode, good.body]).toEqual([204, '']);
  expect(good.headers).toMatchObject({
    'access-control-allow-origin': LISTED,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET',
    'access-control-max-age': '600',
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
  });
  expect(good.headers['access-control-allow-headers']?.split(', ')).toEqual(
    expect.arrayContaining([
      ...['authorization', 'content-type', 'idempotency-key', 'if-match', 'x-api-key', 'x-csrf-token'],
      ...['content-digest', 'signature', 'signature-input'],
    ]),
  );
  expect(good.headers['access-control-allow-headers']).not.toContain('*');

  const foreign = await ask('/private', { origin: 'https://foreign.test', ...asked }, 'OPTIONS');
  expect(foreign.json()).toEqual({ code: 'origin_refused' });
  expect(foreign.headers).not.toHaveProperty('access-control-allow-origin');

  const anyone = await ask('/document', { origin: 'https://foreign.test', ...asked }, 'OPTIONS');
  expect(anyone.headers['access-control-allow-origin']).toBe('*');
  expect(anyone.headers).not.toHaveProperty('access-control-allow-credentials');
});

test('a preflight for an unknown path or method is refused like the request itself', async () => {
  const origin = LISTED;
  const nowhere = await ask('/nowhere', { origin, 'access-control-request-method': 'GET' }, 'OPTIONS');
  expect(nowhere.json()).toEqual({ code: 'route_unknown' });
  for (const method of ['DELETE', '', 'get', 'GET, DELETE']) {
    const other = await ask('/private', { origin, 'access-control-request-method': method }, 'OPTIONS');
    expect([other.json(), other.headers.allow]).toEqual([{ code: 'method_not_allowed' }, 'GET']);
  }
  // Without the two preflight headers it is an ordinary request.
  expect((await ask('/private', { origin }, 'OPTIONS')).statusCode).toBe(404);
});

test('every answer has the browser safety headers, and HSTS only where the API is served by TLS alone', async () => {
  const { headers } = await ask('/private', {});
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'content-security-policy': expect.stringMatching(/^default-src 'none'.*frame-ancestors 'none'$/),
  });
  const plain = createBrowserRules({ origins: new Set(), isTlsOnly: false });
  expect(plain.headers).not.toHaveProperty('strict-transport-security');
});
