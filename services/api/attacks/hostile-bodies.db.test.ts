import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  expectErrorForm,
  expectProblem,
  type Received,
  requestText,
  type Sent,
  send,
  sendBytes,
} from '../../platform/testing/http-client.ts';
import { bodiesOf, expectRefused, isNoFault, pathOf, textPlaces } from '../../platform/testing/made/hostile-bodies.ts';
import type { Operation } from '../../platform/testing/openapi-check.ts';
import { evaluateInside, INSPECTABLE } from '../../platform/testing/processes/inside.ts';
import type { Product } from '../../platform/testing/product.ts';
import { type ProductWorld, startProductWorld } from '../../platform/testing/worlds/product-world.ts';

let world: ProductWorld;
let product: Product;

beforeAll(async () => {
  world = await startProductWorld(INSPECTABLE);
  product = world.product;
});
afterAll(() => world?.close());
afterEach(() => world.expectUnharmed());

const JSON_TYPE = { 'content-type': 'application/json' };
const jsonOperations = (): Operation[] => world.operations.filter(({ bodyType }) => bodyType === 'application/json');
/** Registration reads what it understands and names what is wrong in its own way (RFC 7591 §2, §3.2.2): client-metadata.test.ts. */
const strictOperations = (): Operation[] =>
  jsonOperations().filter(({ operationId }) => operationId !== 'selfRegisterClient');
const formOperations = (): Operation[] => world.operations.filter(({ bodyType }) => bodyType?.includes('form'));

/** Sends a body where it is read: as a client that may do everything, so that nothing but the body is refused. */
const sendTo = (operation: Operation, sent: Sent): Promise<Received> =>
  send(product.api, operation.method, pathOf(operation), { basic: product.credentials.client, ...sent });

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
    for (const operation of strictOperations())
      for (const { at, put, isNullable } of textPlaces(operation))
        for (const value of WRONG.filter((each) => each !== null || !isNullable)) {
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
    for (const operation of strictOperations()) {
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
        if (isLogin && /password$/.test(at)) continue;
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
