import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { claimsIn, signIn, signUp, type TestUser } from '../platform/testing/flows.ts';
import {
  expectErrorForm,
  expectProblem,
  type Json,
  type Received,
  requestText,
  type Sent,
  send,
  sendBytes,
} from '../platform/testing/http-client.ts';
import { evaluateInside, INSPECTABLE } from '../platform/testing/inside.ts';
import { type Operation, operationsOf } from '../platform/testing/openapi-check.ts';
import { type Product, queryRows, startProduct } from '../platform/testing/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../platform/testing/stores.ts';

let database: TestDatabase;
let product: Product;
let operations: Operation[];
let user: TestUser;
let pid: number;

beforeAll(async () => {
  database = await createTestDatabase();
  product = await startProduct({ stores: { databaseUrl: database.url, redisUrl: testRedisUrl() }, env: INSPECTABLE });
  operations = operationsOf((await send(product.api, 'GET', '/openapi.json')).body);
  user = await signUp(product);
  pid = product.apiPid()!;
});
afterAll(async () => {
  await product?.dispose();
  await database?.drop();
});
afterEach(async () => {
  // Whatever came: the process that was there is the process that answers.
  expect((await send(product.api, 'GET', '/healthz')).status).toBe(200);
  expect(product.apiPid()).toBe(pid);
});

const JSON_TYPE = { 'content-type': 'application/json' };
const jsonOperations = (): Operation[] => operations.filter(({ bodyType }) => bodyType === 'application/json');
const formOperations = (): Operation[] => operations.filter(({ bodyType }) => bodyType?.includes('form'));
const pathOf = ({ path }: Operation): string => path.replaceAll(/\{\w+\}/g, 'unknown');

/** A refusal: 4xx in the form of our errors. */
function expectRefused(label: unknown, answer: Received | undefined): void {
  expect([label, answer?.status, answer?.text.slice(0, 200)]).toEqual([
    label,
    expect.toSatisfy(isRefusal),
    expect.any(String),
  ]);
  expectErrorForm(answer!);
}
const isRefusal = (status: number): boolean => status >= 400 && status < 500;
const isNoFault = (status: number): boolean => status >= 200 && status < 500;

/** Sends a body where it is read: as a client that may do everything, so that nothing but the body is refused. */
const sendTo = (operation: Operation, sent: Sent): Promise<Received> =>
  send(product.api, operation.method, pathOf(operation), { basic: product.credentials.client, ...sent });

/** A body that fits, with one value for each member a schema names. */
function fitting(schema: Json): Json {
  if (schema.const !== undefined) return schema.const;
  if (schema.anyOf) return fitting(schema.anyOf[0]);
  if (schema.type === 'array') return [fitting(schema.items)];
  if (schema.type === 'object')
    return Object.fromEntries(
      Object.entries<Json>(schema.properties ?? {}).map(([name, inner]) => [name, fitting(inner)]),
    );
  return schema.format === 'email' ? 'nobody@example.test' : 'x';
}

/** Every place of a body, as a function that puts a value there. */
function places(body: Json, at = 'body'): { at: string; put: (value: unknown) => Json }[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.keys(body).flatMap((name) => [
    { at: `${at}.${name}`, put: (value: unknown) => (Array.isArray(body) ? [value] : { ...body, [name]: value }) },
    ...places(body[name], `${at}.${name}`).map((inner) => ({
      at: inner.at,
      put: (value: unknown) => (Array.isArray(body) ? [inner.put(value)] : { ...body, [name]: inner.put(value) }),
    })),
  ]);
}
const bodiesOf = ({ bodySchema }: Operation): Json[] => (bodySchema.anyOf ?? [bodySchema]).map(fitting);
const textPlaces = (operation: Operation) =>
  bodiesOf(operation).flatMap((body) => places(body).filter(({ put }) => typeof valueAt(body, put) === 'string'));
/** What stood at a place: what differs once something else is put there. */
function valueAt(body: Json, put: (value: unknown) => Json): unknown {
  const marked = JSON.stringify(put('\u0001mark'));
  const [before = ''] = marked.split('"\\u0001mark"');
  const rest = JSON.stringify(body).slice(before.length);
  return rest.startsWith('"') ? 'text' : undefined;
}

describe('values of the wrong type', () => {
  const WRONG: readonly unknown[] = [
    null,
    0,
    -1,
    1e308,
    true,
    [],
    ['x'],
    [[]],
    {},
    { not: '' },
    { $ne: 1 },
    { toString: 'x' },
  ];

  test('no member of any endpoint takes another type than its own: 400 that names the place (Prisma operators, GHSA-w2qp-rph6-63g4)', async () => {
    let count = 0;
    for (const operation of jsonOperations())
      for (const { at, put } of textPlaces(operation))
        for (const value of WRONG) {
          const answer = await sendTo(operation, { json: put(value) });
          expect([operation.operationId, at, value, answer.status]).toEqual([operation.operationId, at, value, 400]);
          expectProblem(answer, 400, 'request_invalid');
          expect(answer.body.problems).toHaveLength(1);
          count += 1;
        }
    expect(count).toBeGreaterThan(200);
  });

  test('no endpoint takes another root than an object', async () => {
    for (const operation of jsonOperations())
      for (const text of [
        'null',
        '0',
        'true',
        '"x"',
        '[]',
        '[{}]',
        '""',
        '{}x',
        '{',
        "{'a':1}",
        '{"a":1,}',
        'undefined',
        'NaN',
        '\ufeff',
        ' ',
      ]) {
        const answer = await sendTo(operation, { body: text, headers: JSON_TYPE });
        expectRefused([operation.operationId, text], answer);
      }
  });

  test('A2: unknown members are refused and named, never dropped in silence', async () => {
    for (const operation of jsonOperations()) {
      const [body] = bodiesOf(operation);
      for (const extra of ['role', 'emailVerified', 'tenantId', 'is_admin', 'sub', 'client_id ', '']) {
        const answer = await sendTo(operation, { json: { ...body, [extra]: 'x' } });
        expect([operation.operationId, extra, answer.status, answer.body.code]).toEqual([
          operation.operationId,
          extra,
          400,
          'request_invalid',
        ]);
      }
    }
  });
});

describe('text that means harm', () => {
  const HARMFUL = [
    ['ReDoS', `${'a'.repeat(60_000)}!`],
    ['ReDoS with dots', `${'a.'.repeat(30_000)}!`],
    ['ReDoS of an address', `${'a'.repeat(30_000)}@${'b.'.repeat(14_000)}`],
    ['spaces', ' '.repeat(60_000)],
    ['NUL', 'a\u0000b'],
    ['lone high surrogate', 'a\ud800'],
    ['lone low surrogate', '\udc00a'],
    ['CRLF and ANSI', 'a\r\n{"level":"fatal","msg":"planted-line"}\u001b[2J'],
    ['bidirectional override', '\u202eabc'],
    ['SQL', "' OR 1=1; DROP TABLE users;--"],
    ['path', '../../../../etc/passwd'],
    ['template', '{{7*7}}<%= 7*7 %>#{7*7}'],
    ['script', '<script>alert(1)</script>'],
  ] as const;

  test('in any member of any endpoint: an answer without a fault, and nothing of it echoed in an error', async () => {
    for (const operation of jsonOperations()) {
      const isLogin = operation.path.startsWith('/api/auth/');
      for (const { at, put } of textPlaces(operation)) {
        // Each would be hashed; the schema bounds them and identity has its own tests.
        if (isLogin && at.endsWith('.password')) continue;
        for (const [name, value] of HARMFUL) {
          const answer = await sendTo(operation, { json: put(value) });
          expect([operation.operationId, at, name, answer.status]).toEqual([
            operation.operationId,
            at,
            name,
            expect.toSatisfy(isNoFault),
          ]);
          if (answer.status >= 400) expectErrorForm(answer);
          expect(answer.text.length).toBeLessThan(4_000);
          if (value.length < 100)
            expect(answer.text, `${operation.operationId} ${at} ${name}`).not.toContain(
              JSON.stringify(value).slice(1, -1),
            );
        }
      }
    }
  });

  test('in any field of any form: the same', async () => {
    for (const operation of formOperations())
      for (const field of Object.keys(operation.bodySchema.properties)) {
        for (const [name, value] of HARMFUL.filter(([, text]) => text.isWellFormed())) {
          const form = new URLSearchParams({
            grant_type: 'refresh_token',
            token: 'x',
            refresh_token: 'x',
            [field]: value,
          });
          const answer = await sendTo(operation, { form: form.toString() });
          expect([operation.operationId, field, name, answer.status]).toEqual([
            operation.operationId,
            field,
            name,
            expect.toSatisfy(isNoFault),
          ]);
          if (answer.status >= 400) expectErrorForm(answer);
        }
        for (const raw of [
          `${field}=%`,
          `${field}=%zz`,
          `${field}=%ff%fe`,
          `${field}=%ed%a0%80`,
          `${field}=%00`,
          `${field}[]=x`,
          `${field}[a]=x`,
          `${field}&${field}`,
        ]) {
          const answer = await sendTo(operation, { form: `grant_type=refresh_token&token=x&${raw}` });
          expect([operation.operationId, raw, answer.status]).toEqual([
            operation.operationId,
            raw,
            expect.toSatisfy(isNoFault),
          ]);
        }
      }
  });

  test('100 KB in one member is too large, whatever it is', async () => {
    for (const operation of jsonOperations().filter(({ path }) => !path.endsWith('batch'))) {
      const [place] = textPlaces(operation);
      const answer = await sendTo(operation, {
        json: place ? place.put(`${'a'.repeat(100_000)}!`) : { x: 'a'.repeat(100_000) },
      });
      expectProblem(answer, 413, 'body_too_large');
    }
  });

  test('in path and query: refused or unknown, never a fault', async () => {
    const basic = product.credentials.client;
    const ids = [
      '%00',
      '%ff',
      '%ed%a0%80',
      '%',
      '%zz',
      '..%2f..%2fetc',
      'a'.repeat(300),
      'a'.repeat(10_000),
      '__proto__',
      'constructor',
      '%0d%0aX-Injected:1',
      "'%20OR%201=1--",
      '%f0%9f%92%a9',
    ];
    for (const id of ids) {
      const bytes = (target: string, method = 'GET'): string =>
        requestText(method, target, [
          `Authorization: Basic ${Buffer.from(`${basic.client_id}:${basic.client_secret}`).toString('base64')}`,
        ]);
      expectRefused(id, await sendBytes(product.api, bytes(`/v1/tokens/${id}`)));
      const compromised = await sendBytes(product.api, bytes(`/v1/keys/${id}/compromise`, 'POST'));
      expectRefused(id, compromised);
      expect(compromised?.headers.has('x-injected')).toBe(false);
    }
    for (const since of ['x', '-1', '1e400', 'NaN', '9007199254740993', '1&since=2', '%00', '1.5', "1'--", '[1]'])
      expectRefused(since, await send(product.api, 'GET', `/v1/revocations?since=${since}`, { basic }));
    for (const query of [
      'incarnation=x',
      'unknown=1',
      'since[]=1',
      'since[a]=1',
      '__proto__=1',
      'constructor[prototype][x]=1',
    ])
      expectRefused(query, await send(product.api, 'GET', `/v1/revocations?${query}`, { basic }));
  });
});

describe('bodies', () => {
  test('nested ten thousand deep: refused', async () => {
    const deep = [
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
      '['.repeat(60_000),
      `{"token":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    ];
    for (const operation of jsonOperations())
      for (const text of deep)
        expectRefused(operation.operationId, await sendTo(operation, { body: text, headers: JSON_TYPE }));
  });

  test('__proto__ and constructor keys are 400 wherever they stand, and no object inside is changed', async () => {
    const planted = [
      '{"__proto__":{"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}}}',
      '{"a":{"__proto__":{"polluted":1}}}',
      '{"\\u005f_proto__":{"polluted":1}}',
      '{"token":"x","__proto__":{"polluted":1}}',
      '{"prototype":{"polluted":1}}',
    ];
    for (const operation of jsonOperations())
      for (const text of planted)
        expectRefused([operation.operationId, text], await sendTo(operation, { body: text, headers: JSON_TYPE }));
    for (const operation of formOperations())
      for (const raw of [
        '__proto__=1',
        '__proto__[polluted]=1',
        'constructor[prototype][polluted]=1',
        '__proto__.polluted=1',
      ]) {
        const answer = await sendTo(operation, { form: `grant_type=x&token=x&${raw}` });
        expect([operation.operationId, raw, answer.status]).toEqual([
          operation.operationId,
          raw,
          expect.toSatisfy(isNoFault),
        ]);
      }
    const clean = await evaluateInside(
      product,
      `JSON.stringify([({}).polluted === undefined, Object.keys(Object.prototype).length, Object.keys(Array.prototype).length, Object.keys(String.prototype).length])`,
    );
    expect(clean).toBe('[true,0,0,0]');
  });

  test('bytes that are no UTF-8 are 400, not replaced', async () => {
    const broken = [0xff, 0xfe, 0xc0, 0x80, 0xed];
    for (const operation of jsonOperations()) {
      for (const byte of broken) {
        const body = Uint8Array.from([...Buffer.from('{"token":"x'), byte, ...Buffer.from('","reason":"x"}')]);
        expectProblem(await sendTo(operation, { body, headers: JSON_TYPE }), 400, 'body_malformed');
      }
      const utf16 = Uint8Array.from(Buffer.from('{"token":"x"}', 'utf16le'));
      expectProblem(await sendTo(operation, { body: utf16, headers: JSON_TYPE }), 400, 'body_malformed');
    }
  });

  test('another content type than the endpoint’s is 415, however it is disguised (CVE-2025-32442, 2026-25223, 2026-3419)', async () => {
    const types = [
      'application/json\ta',
      'application/json x',
      'application/jsonx',
      'application/json,text/plain',
      'application/json/x',
      'text/plain',
      'text/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/vnd.api+json',
      'json',
      ';',
      'APPLICATION/JSO\u004e\t;',
    ];
    for (const operation of jsonOperations())
      for (const type of types) {
        const body = '{"__not_validated__":true}';
        const answer = await sendBytes(
          product.api,
          requestText(operation.method, pathOf(operation), [`Content-Type: ${type}`], body),
        );
        expect([operation.operationId, type, answer?.status]).toEqual([operation.operationId, type, 415]);
        expectErrorForm(answer!);
      }
  });

  test('a spelling of the right content type is read, and then validated all the same (CVE-2026-33806)', async () => {
    for (const type of [
      'application/json',
      ' application/json',
      '\tapplication/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json ;x=y',
    ]) {
      const read = await sendBytes(
        product.api,
        requestText('POST', '/v1/tokens/validate', [`Content-Type:${type}`], '{"token":"x"}'),
      );
      expect([type, read?.body]).toEqual([type, { active: false, reason: 'malformed' }]);
      const refused = await sendBytes(
        product.api,
        requestText('POST', '/v1/tokens/validate', [`Content-Type:${type}`], '{"token":1}'),
      );
      expectProblem(refused!, 400, 'request_invalid');
    }
  });

  test('a missing or doubled content type, or a body where none is read, is answered without a fault', async () => {
    for (const operation of jsonOperations()) {
      const none = await sendBytes(product.api, requestText(operation.method, pathOf(operation), [], '{"token":"x"}'));
      expect([operation.operationId, none?.status]).toEqual([operation.operationId, 415]);
      const twice = ['Content-Type: application/json', 'Content-Type: text/plain'];
      const doubled = await sendBytes(
        product.api,
        requestText(operation.method, pathOf(operation), twice, '{"token":1}'),
      );
      expectRefused(operation.operationId, doubled);
    }
    for (const path of ['/healthz', '/v1/keys', '/.well-known/jwks.json', '/api/auth/session']) {
      const answer = await sendBytes(
        product.api,
        requestText('GET', path, ['Content-Type: application/json'], '{"__proto__":1}'),
      );
      expect([path, answer?.status]).toEqual([path, expect.toSatisfy(isNoFault)]);
    }
  });

  test('lengths that contradict each other, header floods and broken chunks are answered or cut, and the next request is served', async () => {
    const attempts = [
      'POST /v1/tokens/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nContent-Length: 500\r\n\r\n{"a":',
      'POST /v1/tokens/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\n\r\n',
      'POST /v1/tokens/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n{}\r\n',
      'POST /v1/tokens/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n',
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 3_000 }, (_, at) => `X-${at}: y\r\n`).join('')}\r\n`,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(60_000)}\r\n\r\n`,
      'GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n',
      'G\u0000T /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\r\n\tfolded\r\n\r\n',
      '\r\n\r\n\r\n',
    ];
    for (const bytes of attempts) {
      const answer = await sendBytes(product.api, `${bytes}`);
      if (answer && answer.status !== 200) expectRefused(bytes.slice(0, 80), answer);
    }
  });
});

describe('credentials that are none', () => {
  test('are 401, never a fault, and a bad one is not covered by a good cookie', async () => {
    const headers = [
      '',
      'Bearer',
      'Bearer ',
      'Bearer  x',
      'bearer x y',
      `Bearer ${'a'.repeat(9_000)}`,
      'Basic',
      'Basic =',
      'Basic \u00ff',
      'Digest x',
      'DPoP x',
      'Bearer x, Basic y',
      'Bearer \u0000',
      'null',
      'Bearer [object Object]',
    ];
    for (const authorization of headers) {
      const bytes = requestText('GET', '/v1/keys', [`Authorization: ${authorization}`, `Cookie: ${user.cookie}`]);
      const answer = await sendBytes(product.api, bytes);
      if (authorization === '') expect([401, 403]).toContain(answer?.status);
      else expect([authorization, [400, 401].includes(answer?.status ?? 0)]).toEqual([authorization, true]);
    }
  });

  test('cookies of any form are no fault', async () => {
    for (const cookie of [
      '=',
      ';;;',
      'better-auth.session_token',
      'better-auth.session_token=%',
      `better-auth.session_token=${'a'.repeat(8_000)}`,
      '__proto__=x; constructor=y',
      `${'a=b; '.repeat(1_500)}`,
      'better-auth.session_token=a.b; better-auth.session_token=c.d',
    ]) {
      const answer = await send(product.api, 'GET', '/api/auth/session', { headers: { cookie } });
      expect([cookie.slice(0, 60), answer.status]).toEqual([cookie.slice(0, 60), 401]);
      const signOut = await send(product.api, 'POST', '/api/auth/signout', {
        headers: { cookie, origin: product.api },
      });
      expect(signOut.status).toBe(401);
    }
  });
});

describe('one thing, one way to it', () => {
  const VARIANTS = [
    '//v1/keys',
    '/v1//keys',
    '///v1/keys',
    '/v1/keys/',
    '/v1/keys//',
    '/v1/keys;x',
    '/v1/keys;x=y',
    '/v1;x/keys',
    '/v1/keys%2f',
    '/v1%2fkeys',
    '/v1/keys%3f',
    '/v1/keys%23',
    '/v1/keys%00',
    '/v1/keys%20',
    '/v1/keys%09',
    '/%76%31/%6b%65%79%73',
    '/v1/./keys',
    '/x/../v1/keys',
    '/v1/%2e%2e/v1/keys',
    '/V1/KEYS',
    '/v1/keys.json',
    '/v1/keys?x=/openapi.json',
    '/v1/keys#/openapi.json',
    '/openapi.json/../v1/keys',
    '/openapi.json;/v1/keys',
    '/healthz/../v1/keys',
    '\\v1\\keys',
    '/v1\\keys',
    'v1/keys',
    'http://sallyport.test/v1/keys',
    'http://evil.example/v1/keys',
    'http://user:pass@evil.example//v1/keys',
    'https://evil.example:1/v1/keys?x',
    '*',
  ];

  test('CVE-2026-2880 and its kin: every spelling of a guarded path is the same 401, or 404; none is a way in', async () => {
    for (const target of VARIANTS)
      for (const [method, body] of [
        ['GET', ''],
        ['POST', '{"reason":"x"}'],
      ] as const) {
        const path = method === 'GET' ? target : target.replace('keys', 'keys/rotate');
        const headers = body === '' ? [] : ['Content-Type: application/json'];
        const answer = await sendBytes(product.api, requestText(method, path, headers, body));
        expect([method, path, [400, 401, 404, 405].includes(answer?.status ?? 0)]).toEqual([method, path, true]);
        expectErrorForm(answer!);
        const asUser = requestText(
          method,
          path,
          [...headers, `Authorization: Bearer ${user.tokens.access_token}`],
          body,
        );
        const known = await sendBytes(product.api, asUser);
        expect([method, path, [400, 403, 404, 405].includes(known?.status ?? 0)]).toEqual([method, path, true]);
      }
  });

  test('rou3 GHSA-x732-6j76-qmhm: no spelling of a Better Auth path reaches what is not bound', async () => {
    for (const path of [
      '//api/auth/sign-in/social',
      '/api//auth/get-session',
      '/api/auth//get-session',
      '/api/auth/get-session/',
      '/api/auth/./list-sessions',
      '/api/auth/%6cist-sessions',
      '/API/AUTH/GET-SESSION',
      '/api/auth;x/get-session',
    ]) {
      const answer = await sendBytes(product.api, requestText('GET', path, [`Cookie: ${user.cookie}`]));
      expect([path, answer?.status, answer?.body?.code]).toEqual([path, 404, 'route_unknown']);
    }
  });

  test('method override headers and parameters change no method', async () => {
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      const answer = await send(product.api, 'GET', '/v1/keys/rotate?_method=POST', {
        headers: { [name]: 'POST' },
        basic: product.credentials.client,
      });
      expectProblem(answer, 405, 'method_not_allowed');
    }
  });
});

test('CVE-2026-3635: forwarding headers of a peer that is no trusted proxy change neither issuer, links, session nor audit address', async () => {
  const forged: Record<string, string> = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '443',
    'x-forwarded-for': '203.0.113.77, 127.0.0.1',
    'x-forwarded-prefix': '/evil',
    forwarded: 'for=203.0.113.77;host=evil.example;proto=https',
    'x-real-ip': '203.0.113.77',
    'x-client-ip': '203.0.113.77',
    'cf-connecting-ip': '203.0.113.77',
    'true-client-ip': '203.0.113.77',
    'x-original-url': '/v1/keys',
    'x-rewrite-url': '/v1/keys',
    'x-sallyport-address': '203.0.113.77',
  };
  for (const path of [
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
    '/.well-known/oauth-protected-resource',
    '/openapi.json',
    '/docs',
  ]) {
    const [plain, lied] = [
      await send(product.api, 'GET', path),
      await send(product.api, 'GET', path, { headers: forged }),
    ];
    expect([lied.status, lied.text]).toEqual([plain.status, plain.text]);
  }
  // Nor does another Host.
  const asked = await sendBytes(
    product.api,
    'GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: evil.example\r\n\r\n',
  );
  expect(asked?.body.issuer).toBe(product.api);
  const login = { json: product.credentials.user };
  const [plain, lied] = [
    await send(product.api, 'POST', '/api/auth/signin', login),
    await send(product.api, 'POST', '/api/auth/signin', { ...login, headers: forged }),
  ];
  for (const { body } of [plain, lied]) {
    expect(claimsIn(body.tokens.access_token).iss).toBe(product.api);
    expect(body.session.ipAddress).toBe('127.0.0.1');
  }
  const [, ...cookieAttributes] = lied.headers.getSetCookie()[0]!.split(';');
  expect(cookieAttributes.join(';')).not.toMatch(/secure|domain/i);
  const logins = await queryRows<{ ip_hash: string }>(
    database.url,
    // Sealed or not: by then the hash lies beside the log.
    `SELECT coalesce(o.ip_hash, p.value) AS ip_hash FROM audit_outbox o
     LEFT JOIN audit_personal p ON p.event_id = o.event_id AND p.field = 'ip_hash'
     WHERE type = 'user.login' AND outcome = 'ok' ORDER BY id DESC LIMIT 2`,
  );
  expect(logins).toHaveLength(2);
  expect(logins[0]).toEqual(logins[1]);
  expect(logins[0]!.ip_hash).not.toContain('127.0.0.1');
  // A route named in a header is not the route that is asked.
  expect((await send(product.api, 'GET', '/healthz', { headers: forged })).body).toEqual({ status: 'ok' });
});

test('U9: an origin that only looks like ours is foreign, whatever Host or forwarding headers say', async () => {
  const person = await signIn(product, product.credentials.user);
  const disguises: Record<string, string>[] = [
    { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' },
    { origin: 'http://evil.example', host: 'evil.example' },
  ];
  for (const headers of disguises) {
    const answer = await send(product.api, 'POST', '/v1/tokens', { cookie: person.cookie, headers });
    expectProblem(answer, 403, 'origin_refused');
  }
});

test('L2: nothing a stranger sent begins a log line of its own or reaches the terminal', async () => {
  const planted = 'x\r\n{"level":"fatal","msg":"planted-line"}\u001b[31mred';
  await send(product.api, 'POST', '/api/auth/signin', { json: { email: planted, password: planted } });
  await send(product.api, 'POST', '/api/auth/signin', {
    json: { email: `"${planted}"@example.test`, password: 'x'.repeat(12) },
  });
  await send(product.api, 'POST', '/api/auth/signup', {
    json: { email: 'a@example.test', password: 'x'.repeat(12), name: planted },
  });
  await sendBytes(product.api, requestText('GET', `/${encodeURIComponent(planted)}`, ['User-Agent: a\u001b[31m']));
  const lines = product.output().split('\n').filter(Boolean);
  for (const line of lines) {
    expect(line).not.toContain('\u001b');
    expect(line).not.toContain('planted-line');
    expect(/^(\{.*\}|sallyport: .*|Debugger .*|For help.*)$/.test(line), line).toBe(true);
  }
});
