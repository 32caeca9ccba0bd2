import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { answer, JsonText } from '#services/core/shared/answer.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import type { Endpoint } from '../platform/define/endpoint.ts';
import { bind, bindText, type RouteContext } from './bind.ts';
import { createCallerResolver } from './requests/caller.ts';
import { made, rejectsAll, serve } from './route-harness.ts';

const json = (payload: string | object) => ({ payload, headers: { 'content-type': 'application/json' } });

test('a route that does not declare who may call it fails the start', () => {
  const open = made({ operation: 'readThings' });
  const bound = (endpoint: object): void => bind(serve().routes, endpoint as Endpoint, () => ({}));
  const { auth: _undeclared, ...silent } = open;
  expect(() => bound(silent)).toThrow('readThings declares neither its auth nor');
  expect(() => bound({ ...open, auth: undefined })).toThrow('readThings declares neither its auth nor');
  expect(() => bound(open)).not.toThrow();
});

test('checks the caller, then the permission, then the request: 401, 403, 400', async () => {
  const served = serve();
  const bearer = (token: string) => (token === 'forged' ? null : clientCaller('deploy', [`users:${token}`]));
  const callers = createCallerResolver({ ...rejectsAll, bearer });
  const auth = { accepts: ['bearer'], permission: 'users:write', for: 'anyone', subject: 'none' } as const;
  const size = made({ operation: 'makeThing', auth, body: z.strictObject({ size: z.int().min(1) }) });
  const denied: string[] = [];
  const recordDenial: RouteContext['recordDenial'] = async (_caller, { operation }, { code }) =>
    void denied.push(`${operation} ${code}`);
  bind({ ...served.routes, callers, recordDenial }, size, () => ({}));
  const codeFor = async (token: string, payload: object): Promise<unknown> => {
    const { headers } = json(payload);
    return (await served.ask('POST', '/things', { payload, headers: { ...headers, authorization: `Bearer ${token}` } }))
      .body.code;
  };
  expect(await codeFor('forged', { size: 'wrong' })).toBe('unauthenticated');
  expect(await codeFor('read', { size: 'wrong' })).toBe('permission_missing');
  expect(denied).toEqual(['makeThing permission_missing']);
  expect(await codeFor('write', { size: 'wrong' })).toBe('request_invalid');
  expect(await codeFor('write', { size: 1 })).toBeUndefined();
  expect(denied).toHaveLength(1);
});

test.each([
  ['the first request', 'write', []],
  ['the start, for tokens and their validation', 'token', ['querystring', 'answer', 'body']],
] as const)('the schemas of a route are made by %s', async (_when, limit, atStart) => {
  const makes: string[] = [];
  const noted = (part: string, shape: z.ZodType) =>
    z.lazy(() => {
      makes.push(part);
      return shape;
    });
  const served = serve();
  const endpoint = made({
    operation: 'makeThing',
    limit,
    query: z.object({ at: noted('querystring', z.string()) }),
    body: z.object({ size: noted('body', z.int()) }),
    responses: { 201: z.object({ size: noted('answer', z.int()) }) },
  });
  bind(served.routes, endpoint, () => ({ size: 2, undeclared: true }));
  await served.fastify.ready();
  expect(new Set(makes)).toEqual(new Set(atStart));
  expect((await served.ask('POST', '/things?at=1', json({ size: 1 }))).text).toBe('{"size":2}');
  expect(new Set(makes)).toEqual(new Set(['querystring', 'answer', 'body']));
});

describe('a body', () => {
  const size = made({ operation: 'makeThing', body: z.strictObject({ size: z.int().min(1) }) });
  const serveSizes = () => {
    const served = serve();
    bind(served.routes, size, ({ body }) => ({ got: body }));
    return served;
  };

  test('that is valid reaches the use-case', async () =>
    expect(await serveSizes().ask('POST', '/things', json({ size: 2 }))).toMatchObject({
      status: 201,
      body: { got: { size: 2 } },
      headers: { 'cache-control': 'no-store' },
    }));

  test.each([
    ['a wrong type', { size: 'two' }, 'body/size'],
    ['a member too many', { size: 2, colour: 'red' }, 'body/colour'],
    ['a member too few', {}, 'body/size'],
  ])('with %s is refused, and the error names the place', async (_what, payload, at) => {
    const { status, body } = await serveSizes().ask('POST', '/things', json(payload));
    expect({ status, code: body.code, at: body.problems[0].at }).toEqual({ status: 400, code: 'request_invalid', at });
  });

  test.each([
    ['no JSON', '{"size":'],
    ['a prototype', '{"__proto__":{"size":2}}'],
    ['a constructor', '{"constructor":{"prototype":{"size":2}}}'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('of %s is malformed', async (_what, payload) => {
    expect(await serveSizes().ask('POST', '/things', json(payload))).toMatchObject({
      status: 400,
      body: { code: 'body_malformed' },
    });
  });

  test('too large is refused by its length', async () =>
    expect(await serveSizes().ask('POST', '/things', json(JSON.stringify({ size: '9'.repeat(70_000) })))).toMatchObject(
      { status: 413, body: { code: 'body_too_large' } },
    ));

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'application / json', ''])(
    'of the type "%s" is refused, and the error names the expected one',
    async (type) => {
      const { status, body } = await serveSizes().ask('POST', '/things', {
        payload: '{"size":2}',
        headers: { 'content-type': type },
      });
      expect({ status, code: body.code }).toEqual({ status: 415, code: 'content_type_unsupported' });
      expect(body.detail).toContain('application/json');
    },
  );

  test('may declare its charset', async () => {
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
    expect((await serveSizes().ask('POST', '/things', { payload: '{"size":2}', headers })).status).toBe(201);
  });

  test('sent with a read is ignored', async () => {
    const served = serve();
    bind(served.routes, made({ operation: 'readThing', method: 'GET', responses: { 200: z.object({}) } }), () => ({}));
    const headers = { 'content-type': 'text/plain', 'content-length': '3' };
    expect((await served.ask('GET', '/things', { payload: 'abc', headers })).status).toBe(200);
  });

  test('that is optional may be absent, and is validated when present', async () => {
    const served = serve();
    bind(served.routes, made({ ...size, bodyOptional: true }), ({ body }) => ({ got: body ?? 'none' }));
    expect((await served.ask('POST', '/things')).body).toEqual({ got: 'none' });
    expect((await served.ask('POST', '/things', json(''))).body).toEqual({ got: 'none' });
    expect((await served.ask('POST', '/things', json({ size: 3 }))).body).toEqual({ got: { size: 3 } });
    expect((await served.ask('POST', '/things', json({ size: 0 }))).body).toMatchObject({
      code: 'request_invalid',
      problems: [{ at: 'body/size' }],
    });
  });

  test('of a form is read as one, and a repeated field is refused', async () => {
    const served = serve();
    bind(
      served.routes,
      made({ operation: 'makeThing', bodyType: 'form', oauthErrors: true, body: z.object({ a: z.string() }) }),
      ({ body }) => ({ got: body }),
    );
    const form = (payload: string) => ({ payload, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect((await served.ask('POST', '/things', form('a=1%202'))).body).toEqual({ got: { a: '1 2' } });
    expect(await served.ask('POST', '/things', form('a=1&a=2'))).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
  });
});

describe('a schema that does not compile', () => {
  // Valid in zod, but not with the flag `u` that JSON Schema asks for.
  const body = z.strictObject({ size: z.string().regex(/x{/) });
  const broken = made({ operation: 'makeThing', body });

  test.each(['token', 'validate'] as const)('fails the start in an endpoint of the rate class %s', async (limit) => {
    const served = serve();
    bind(served.routes, { ...broken, limit }, () => ({}));
    await expect(served.fastify.ready()).rejects.toThrow('Invalid regular expression');
  });

  test('fails every request to another endpoint, and no other request', async () => {
    const served = serve();
    bind(served.routes, broken, () => ({}));
    bind(served.routes, made({ operation: 'makeOther', path: '/others', body: z.strictObject({}) }), () => ({}));
    for (let request = 0; request < 2; request += 1)
      expect(await served.ask('POST', '/things', json({ size: 'x{' }))).toMatchObject({
        status: 500,
        body: { code: 'internal_error' },
      });
    expect((await served.ask('POST', '/others', json({}))).status).toBe(201);
  });
});

describe('an address', () => {
  const read = made({ operation: 'readThing', method: 'GET', path: '/things/{id}', responses: { 200: z.object({}) } });

  test('allows no parameter over the length limit, no unknown query member, and no broken escape', async () => {
    const served = serve();
    bind(served.routes, { ...read, auth: { accepts: [], optional: true, for: 'anyone', subject: 'none' } }, () => ({}));
    expect((await served.ask('GET', `/things/${'x'.repeat(300)}`)).body).toMatchObject({
      code: 'request_invalid',
      problems: [{ at: 'params' }],
    });
    expect((await served.ask('GET', '/things/1?colour=red')).body).toMatchObject({
      code: 'request_invalid',
      problems: [{ at: 'querystring/colour' }],
    });
    expect((await served.ask('GET', '/things/%zz')).body.code).toBe('route_unknown');
  });

  test('that is public allows the members that probes and caches add', async () => {
    const served = serve();
    bind(served.routes, read, () => ({}));
    expect((await served.ask('GET', '/things/1?cache=1')).status).toBe(200);
  });

  test('may end in a parameter that takes the rest', async () => {
    const served = serve();
    const file = { ...read, path: '/files/{folder}/{rest}' as const, rest: 'rest' };
    const params = z.object({ folder: z.string(), rest: z.string() });
    bind(
      served.routes,
      { ...file, params, responses: { 200: z.object({}).loose() } },
      (input) => input.params as object,
    );
    expect((await served.ask('GET', '/files/a/b/c.txt')).body).toEqual({ folder: 'a', rest: 'b/c.txt' });
  });

  test('carries no credential when there is a body', async () => {
    const served = serve();
    bind(served.routes, made({ operation: 'makeThing', body: z.object({}) }), () => ({}));
    expect(await served.ask('POST', '/things?access_token=x', json({}))).toMatchObject({
      status: 400,
      body: { code: 'request_invalid', problems: [{ at: 'querystring' }] },
    });
  });

  test('belongs to one operation only', () => {
    const served = serve();
    bind(served.routes, read, () => ({}));
    expect(() => bind(served.routes, { ...read, path: '/others' }, () => ({}))).toThrow('readThing is bound twice');
  });
});

describe('an answer', () => {
  test('has the status, headers and body that the use-case gives it', async () => {
    const served = serve();
    const responses = { 200: z.object({}).loose(), 303: null };
    bind(served.routes, made({ operation: 'a', path: '/a', method: 'GET', responses }), () =>
      answer(303, undefined, { location: '/b', 'set-cookie': ['x=1', 'y=2'] }),
    );
    bind(served.routes, made({ operation: 'b', path: '/b', method: 'GET', responses: { 204: null } }), () => undefined);
    bind(
      served.routes,
      made({ operation: 'c', path: '/c', method: 'GET', responses, cacheControl: null }),
      () => new JsonText('{"kept":"as it is"}'),
    );
    expect(await served.ask('GET', '/a')).toMatchObject({
      status: 303,
      text: '',
      headers: { location: '/b', 'set-cookie': ['x=1', 'y=2'] },
    });
    expect(await served.ask('GET', '/b')).toMatchObject({ status: 204, text: '' });
    const kept = await served.ask('GET', '/c');
    expect(kept).toMatchObject({ status: 200, text: '{"kept":"as it is"}' });
    expect(kept.headers['cache-control']).toBeUndefined();
  });

  test('to HEAD on a stream has headers only and opens no stream', async () => {
    const served = serve();
    const responses = { 200: { contentType: 'text/event-stream' } };
    bind(served.routes, made({ operation: 'a', method: 'GET', responses }), () => {
      throw new Error('opened without a reader');
    });
    expect(await served.ask('HEAD', '/things')).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
    });
  });
});

describe('a text body', () => {
  const size = made({
    operation: 'judge',
    body: z.strictObject({ size: z.int() }),
    bodyOptional: true,
    responses: { 200: z.object({}).loose() },
  });
  const serveText = () => {
    const served = serve();
    bindText(served.routes, size, (text, parsed) => JSON.stringify({ text, parsed: parsed() ?? null }));
    return served;
  };

  test('reaches the use-case as text, and parsed on request', async () => {
    expect((await serveText().ask('POST', '/things', json('{"size":1}'))).body).toEqual({
      text: '{"size":1}',
      parsed: { size: 1 },
    });
    expect((await serveText().ask('POST', '/things')).body).toEqual({ text: '', parsed: null });
  });

  test.each([
    ['no JSON', '{"size"', 'body_malformed'],
    ['a prototype', '{"__proto__":1}', 'body_malformed'],
    ['bytes that are not UTF-8', Buffer.from([0xff]), 'body_malformed'],
    ['a wrong type', '{"size":"1"}', 'request_invalid'],
  ])('of %s is refused like everywhere else', async (_what, payload, code) => {
    expect(await serveText().ask('POST', '/things', json(payload))).toMatchObject({ status: 400, body: { code } });
  });

  test('is only for public endpoints with an optional body', () => {
    const { routes } = serve();
    const refused = [
      { ...size, bodyOptional: false },
      { ...size, body: undefined },
      { ...size, auth: { accepts: [], for: 'anyone', subject: 'none' } },
    ];
    for (const endpoint of refused)
      expect(() => bindText(routes, endpoint as Endpoint, () => '{}')).toThrow(
        'judge is not public with an optional body',
      );
  });
});
