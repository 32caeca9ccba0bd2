import { randomBytes } from 'node:crypto';
import { parse } from 'node:querystring';
import fc from 'fast-check';
import type { FastifyRequest } from 'fastify';
import { describe, expect, test } from 'vitest';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import {
  internalError,
  rateLimited,
  requestInvalid,
  routeUnknown,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import { DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import {
  asPage,
  errorHeaders,
  expiredForm,
  goTo,
  type HasForms,
  isOwnForm,
  problemPage,
  tieForm,
} from './browser-form.ts';
import { parseForm } from './form-body.ts';
import { rendered } from './page-view.ts';

const OWN = 'https://own.test';
const key = randomBytes(32);

function portsWith(secureCookies: boolean): HasForms {
  return {
    keyRing: {
      secret: () => ({ version: 1, key }),
      secretVersion: (_name: string, version: number) => (version === 1 ? key : undefined),
    },
    auth: { browser: { secureCookies, sessionCookie: 'session', trustedOrigins: new Set([OWN]) } },
  } as unknown as HasForms;
}
const ports = portsWith(false);

const requestWith = (headers: Record<string, string>, endpoint?: Partial<Endpoint>): FastifyRequest =>
  ({ headers, routeOptions: { config: { endpoint } }, server: { brand: DEFAULT_BRAND } }) as unknown as FastifyRequest;

/** An answer as it is sent. */
const sent = (shown: Answer, headers: Record<string, string> = {}): Answer => rendered(shown, requestWith(headers));

/** A browser that loaded a form: its cookie, and the token in the form. */
function shownForm(session = '') {
  const first = tieForm(ports, requestWith(session === '' ? {} : { cookie: `session=${session}` }));
  const page = first.setCookie[0]!.split(';', 1)[0]!;
  return { token: first.token, page, cookie: session === '' ? page : `${page}; session=${session}` };
}

describe('a form', () => {
  test('is accepted from the page that this browser loaded', () => {
    const { token, cookie } = shownForm();
    expect(isOwnForm(ports, requestWith({ cookie }), token)).toBe(true);
    expect(isOwnForm(ports, requestWith({ cookie, origin: OWN }), token)).toBe(true);
  });

  test('is refused from another browser, without a cookie, or from another origin', () => {
    const { token, cookie } = shownForm();
    expect(isOwnForm(ports, requestWith({ cookie: shownForm().cookie }), token)).toBe(false);
    expect(isOwnForm(ports, requestWith({}), token)).toBe(false);
    for (const origin of ['https://foreign.test', 'null'])
      expect(isOwnForm(ports, requestWith({ cookie, origin }), token)).toBe(false);
    for (const forged of ['', `2${token.slice(1)}`, token.slice(0, -1)])
      expect(isOwnForm(ports, requestWith({ cookie }), forged)).toBe(false);
  });

  test('is refused once another user is signed in', () => {
    const { token, page, cookie } = shownForm('first');
    expect(isOwnForm(ports, requestWith({ cookie }), token)).toBe(true);
    expect(isOwnForm(ports, requestWith({ cookie: `${page}; session=second` }), token)).toBe(false);
    expect(isOwnForm(ports, requestWith({ cookie: page }), token)).toBe(false);
  });

  test('keeps the browser’s page cookie, and sets one only if it is missing', () => {
    const { page } = shownForm();
    expect(tieForm(ports, requestWith({ cookie: page })).setCookie).toEqual([]);
    expect(tieForm(ports, requestWith({ cookie: 'sallyport.page=planted' })).setCookie).toHaveLength(1);
  });

  test('is bound by a cookie that scripts cannot read and, with TLS, is limited to this host', () => {
    expect(tieForm(ports, requestWith({})).setCookie[0]).toMatch(/^sallyport\.page=.*; HttpOnly; SameSite=Lax$/);
    expect(tieForm(portsWith(true), requestWith({})).setCookie[0]).toMatch(
      /^__Host-sallyport\.page=[\w-]{22}; Path=\/; .*; Secure$/,
    );
  });

  test('an expired form says what to do next', () => {
    expect(sent(expiredForm())).toMatchObject({ status: 403, body: expect.stringContaining('This form has expired') });
    expect(sent(expiredForm(), { 'accept-language': 'de' }).body).toContain('Dieses Formular ist abgelaufen');
  });
});

describe('an error', () => {
  const page = { responses: { 200: { contentType: 'text/html; charset=utf-8' } } };
  const looking = { accept: 'text/html,*/*' };

  test('is a page for browsers and JSON for programs', () => {
    expect(sent(problemPage(rateLimited({ retryAfterSeconds: 9 }), requestWith(looking, page))!)).toMatchObject({
      status: 429,
      body: expect.stringContaining('Try again in 9 seconds.'),
      headers: { 'retry-after': '9' },
    });
    expect(problemPage(rateLimited(), requestWith({ accept: 'application/json' }, page))).toBeNull();
    expect(problemPage(rateLimited(), requestWith({}, page))).toBeNull();
    expect(problemPage(rateLimited(), requestWith(looking, { responses: { 200: null } }))).toBeNull();
    expect(problemPage(rateLimited(), requestWith(looking))).toBeNull();
  });

  test('at a path that does not exist is a page with ways on for browsers, and JSON for programs', () => {
    const german = { ...looking, 'accept-language': 'de' };
    for (const [headers, title] of [
      [looking, 'This page does not exist'],
      [german, 'Diese Seite gibt es nicht'],
    ] as const) {
      const { status, body } = sent(problemPage(routeUnknown(), requestWith(headers))!, headers);
      expect([status, body]).toEqual([404, expect.stringContaining(`<h1>${title}</h1>`)]);
      for (const path of ['/', '/docs']) expect(body).toContain(`<a href="${path}">`);
    }
    expect(problemPage(routeUnknown(), requestWith({ accept: 'application/json' }))).toBeNull();
    expect(problemPage(routeUnknown(), requestWith({ accept: '*/*' }))).toBeNull();
    expect(problemPage(routeUnknown(), requestWith(looking, { responses: { 200: null } }))).toBeNull();
  });

  test('raised while a page is built is shown as a page, but a defect is thrown', async () => {
    const failing = (error: Error) => asPage(() => Promise.reject(error));
    await expect(failing(storeUnavailable())).resolves.toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    await expect(failing(internalError())).rejects.toMatchObject({ code: 'internal_error' });
    await expect(failing(new Error('defect'))).rejects.toThrow('defect');
    const own = answer(200, 'x');
    await expect(asPage(async () => own)).resolves.toBe(own);
  });

  test('has the headers that its status requires', () => {
    expect(errorHeaders(unauthenticated())).toEqual({ 'www-authenticate': 'Bearer realm="sallyport"' });
    expect(errorHeaders(requestInvalid({ retryAfterSeconds: 0.5 }))).toEqual({ 'retry-after': '1' });
    expect(errorHeaders(requestInvalid())).toEqual({});
  });
});

test('redirects use GET and send no referrer', () => {
  expect(goTo('/login')).toMatchObject({
    status: 303,
    headers: { location: '/login', 'referrer-policy': 'no-referrer' },
  });
  expect(goTo('/login').headers).not.toHaveProperty('set-cookie');
  expect(goTo('/login', ['a=1']).headers['set-cookie']).toEqual(['a=1']);
});

const parsed = (text: string): Record<string, unknown> => parseForm(Buffer.from(text));

test('reads a form as node:querystring does, repeated names as lists', () => {
  const piece = fc.constantFrom(...'a b ä = & + %20 %2B %C3%A4 %26 %3D __proto__ toString 1'.split(' '));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      const text = pieces.join('');
      expect(Object.entries(parsed(text))).toEqual(Object.entries(parse(text, '&', '=', { maxKeys: 0 })));
    }),
  );
  expect(parsed('a=1&a=2&a=3&b')).toEqual({ a: ['1', '2', '3'], b: '' });
});

test('a field named like an object member is an ordinary field, and no other exists', () => {
  const fields = parsed('__proto__=x&constructor=y');
  expect(Object.keys(fields)).toEqual(['__proto__', 'constructor']);
  expect(fields.toString).toBeUndefined();
  expect(({} as Record<string, unknown>).x).toBeUndefined();
});

test('a percent sign that begins no escape is literal; bytes that are not UTF-8 are refused', () => {
  expect(parsed('a=100%&b=%zz')).toEqual({ a: '100%', b: '%zz' });
  for (const bytes of [Buffer.from('a=%ff'), Buffer.from([0x61, 0x3d, 0xff])])
    expect(() => parseForm(bytes)).toThrow(expect.objectContaining({ code: 'body_malformed' }));
});

test('a body full of one repeated name costs milliseconds, like any other of its size', () => {
  const repetitions = 32_768;
  const startedAt = performance.now();
  const { a } = parsed('a&'.repeat(repetitions));
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(a).toHaveLength(repetitions);
});
