import { afterEach, describe, expect, test } from 'vitest';
import {
  expectRefused,
  expectRefusedOrIgnored,
  formOperations,
  isNoFault,
  JSON_TYPE,
  jsonOperations,
  pathOf,
  sendTo,
} from '#tools/testing/fixtures/hostile-bodies.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { expectErrorForm, expectProblem, requestText, sendBytes } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { evaluateInside, INSPECTABLE } from '#tools/testing/processes/inside.ts';

const harness = opened(() => startProductHarness(INSPECTABLE));
const product = partOf(() => harness.product);
afterEach(() => harness.expectUnharmed());

describe('bodies', () => {
  test('refuses JSON nested ten thousand levels deep', async () => {
    const deep = [
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
      '['.repeat(60_000),
      `{"token":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    ];
    for (const operation of jsonOperations(harness))
      for (const text of deep)
        expectRefusedOrIgnored(operation, text, await sendTo(harness, operation, { body: text, headers: JSON_TYPE }));
  });

  test('refuses __proto__ and constructor keys at any depth with 400, and changes no object of the process', async () => {
    const planted = [
      ...'{"__proto__":{"polluted":1}} {"constructor":{"prototype":{"polluted":1}}}'.split(' '),
      ...'{"a":{"__proto__":{"polluted":1}}} {"\\u005f_proto__":{"polluted":1}}'.split(' '),
      ...'{"token":"x","__proto__":{"polluted":1}} {"prototype":{"polluted":1}}'.split(' '),
    ];
    for (const operation of jsonOperations(harness))
      for (const text of planted)
        expectRefusedOrIgnored(operation, text, await sendTo(harness, operation, { body: text, headers: JSON_TYPE }));
    for (const operation of formOperations(harness))
      for (const raw of [
        '__proto__=1',
        '__proto__[polluted]=1',
        'constructor[prototype][polluted]=1',
        '__proto__.polluted=1',
      ]) {
        const answer = await sendTo(harness, operation, { form: `grant_type=x&token=x&${raw}` });
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

  test('refuses bytes that are not UTF-8 with 400 instead of replacing them', async () => {
    const broken = [0xff, 0xfe, 0xc0, 0x80, 0xed];
    // The console reads no body of who is not signed in there.
    for (const operation of jsonOperations(harness).filter((each) => !each.operationId.endsWith('AsConsole'))) {
      for (const byte of broken) {
        const body = Uint8Array.from([...Buffer.from('{"token":"x'), byte, ...Buffer.from('","reason":"x"}')]);
        expectProblem(await sendTo(harness, operation, { body, headers: JSON_TYPE }), 400, 'body_malformed');
      }
      const utf16 = Uint8Array.from(Buffer.from('{"token":"x"}', 'utf16le'));
      expectProblem(await sendTo(harness, operation, { body: utf16, headers: JSON_TYPE }), 400, 'body_malformed');
    }
  });

  test('refuses a content type other than the endpoint’s with 415, however it is disguised (CVE-2025-32442, 2026-25223, 2026-3419)', async () => {
    const types = [
      'application/json\ta',
      'application/json x',
      ...'application/jsonx application/json,text/plain application/json/x text/plain text/json'.split(' '),
      ...'application/x-www-form-urlencoded multipart/form-data application/vnd.api+json json ;'.split(' '),
      ...'APPLICATION/JSO\u004e\t;'.split(' '),
    ];
    for (const operation of jsonOperations(harness))
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

  test('reads an alternative spelling of the right content type and still validates the body (CVE-2026-33806)', async () => {
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

  test('answers a missing or repeated content type, or an unexpected body, without a 5xx', async () => {
    for (const operation of jsonOperations(harness)) {
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

  test('answers or disconnects contradictory lengths, header floods and broken chunks, and serves the next request', async () => {
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
      '\r\n\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ];
    for (const bytes of attempts) {
      const answer = await sendBytes(product.api, `${bytes}`);
      if (answer && answer.status !== 200) expectRefused(bytes.slice(0, 80), answer);
    }
  });
});
