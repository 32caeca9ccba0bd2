import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Log } from '#services/core/ports.ts';
import { internalError, storeUnavailable } from '#services/platform/errors.ts';
import { refuseDeclaredBody } from './declared-body.ts';
import { createFailureLog } from './failure-log.ts';
import { answerExpectation, answerUnreadable } from './unreadable.ts';

function connection(writable = true) {
  const seen = { written: '', destroyed: false };
  const socket = {
    writable,
    end: (text: string, done: () => void) => {
      seen.written = text;
      done();
    },
    destroy: () => {
      seen.destroyed = true;
    },
  };
  return { seen, socket: socket as unknown as Socket };
}

test.each([
  ['HPE_HEADER_OVERFLOW', 431, 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'request_too_slow'],
  ['HPE_INVALID_METHOD', 400, 'request_unreadable'],
  [undefined, 400, 'request_unreadable'],
] as const)('an unparsable request (%s) is refused in the common error format', (code, status, expected) => {
  const { seen, socket } = connection();
  answerUnreadable(code === undefined ? {} : { code }, socket, { 'x-content-type-options': 'nosniff' });
  const [head, body] = seen.written.split('\r\n\r\n') as [string, string];
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Z]`));
  expect(head.toLowerCase()).toContain('\r\nconnection: close');
  expect(head).toContain('\r\nx-content-type-options: nosniff');
  expect(head).toContain(`\r\ncontent-length: ${Buffer.byteLength(body)}`);
  expect(JSON.parse(body)).toMatchObject({ code: expected, status });
  expect(seen.destroyed).toBe(true);
});

test('nothing is written to a closed connection', () => {
  for (const [code, writable] of [
    ['ECONNRESET', true],
    ['HPE_INVALID_METHOD', false],
  ] as const) {
    const { seen, socket } = connection(writable);
    answerUnreadable({ code }, socket, {});
    expect(seen).toEqual({ written: '', destroyed: true });
  }
});

test('a request with an expectation other than 100-continue is refused, and the connection ends', () => {
  const sent: unknown[] = [];
  const response = {
    writeHead: (...head: unknown[]) => {
      sent.push(...head);
      return response;
    },
    end: (text: string) => sent.push(JSON.parse(text)),
  };
  answerExpectation(response as unknown as ServerResponse, {});
  expect(sent).toMatchObject([417, { connection: 'close' }, { code: 'expectation_unsupported' }]);
});

test('an unavailable state is logged once a second with the number of equal failures, a defect every time', () => {
  const lines: [string, Record<string, unknown>][] = [];
  const log = {
    warn: (fields: object) => void lines.push(['warn', fields as Record<string, unknown>]),
    error: (fields: object) => void lines.push(['error', fields as Record<string, unknown>]),
  } as unknown as Log;
  let now = 0;
  const failed = createFailureLog(log, { now: () => now, monotonic: () => now });
  for (let count = 0; count < 10; count += 1) failed(storeUnavailable(), undefined, 'validateToken');
  now = 1_000;
  failed(storeUnavailable(), undefined, 'validateToken');
  failed(internalError(), new Error('defect'), 'signIn');
  failed(internalError(), new Error('defect'), 'signIn');
  expect(lines.map(([level, { code, like_it }]) => [level, code, like_it])).toEqual([
    ['warn', 'store_unavailable', 0],
    ['warn', 'store_unavailable', 9],
    ['error', 'internal_error', undefined],
    ['error', 'internal_error', undefined],
  ]);
});

const JSON_TYPE = 'application/json';
const refusal = (headers: Record<string, string>, method = 'POST', expected = JSON_TYPE) => {
  const error = refuseDeclaredBody({ headers: { 'content-length': '2', ...headers }, method }, expected);
  return error && [error.definition.status, error.code];
};
const wrongType = [415, 'content_type_unsupported'];

describe('a body', () => {
  test('with a transfer coding other than chunked is 501, and its connection ends (RFC 9112 §6.1)', () => {
    for (const transfer of ['gzip, chunked', 'Deflate, Chunked', 'chunked, chunked', 'x'])
      for (const type of [JSON_TYPE, 'text/plain']) {
        const headers = { 'content-type': type, 'transfer-encoding': transfer };
        const error = refuseDeclaredBody({ headers, method: 'POST' }, JSON_TYPE);
        expect([transfer, error?.definition.status, error?.code]).toEqual([
          transfer,
          501,
          'transfer_coding_unsupported',
        ]);
        expect(error?.options.headers).toEqual({ connection: 'close' });
      }
    for (const transfer of ['chunked', 'Chunked'])
      expect(refusal({ 'content-type': JSON_TYPE, 'transfer-encoding': transfer })).toBeUndefined();
  });

  test('that is compressed is 415, and the answer says that only identity is accepted (RFC 9110 §8.4, §12.5.3)', () => {
    for (const coding of ['gzip', 'br', 'gzip, identity', 'GZIP']) {
      const headers = { 'content-length': '2', 'content-type': JSON_TYPE, 'content-encoding': coding };
      const error = refuseDeclaredBody({ headers, method: 'POST' }, JSON_TYPE);
      expect([coding, error?.definition.status, error?.code]).toEqual([coding, ...wrongType]);
      expect(error?.options.headers).toEqual({ 'accept-encoding': 'identity' });
    }
    for (const coding of ['identity', 'Identity'])
      expect(refusal({ 'content-type': JSON_TYPE, 'content-encoding': coding })).toBeUndefined();
  });

  test.each([JSON_TYPE, 'application/x-www-form-urlencoded'])(
    'of %s in a charset other than UTF-8 is 415, never read as UTF-8',
    (expected) => {
      const sent = (parameters: string) => refusal({ 'content-type': expected + parameters }, 'POST', expected);
      for (const charset of ['utf-16', 'iso-8859-1', '"utf-16"', 'utf-8x', 'utf-8; charset=utf-16', ''])
        expect([charset, sent(`; charset=${charset}`)]).toEqual([charset, wrongType]);
      expect(sent(';version=1;CHARSET=latin1')).toEqual(wrongType);
      for (const charset of ['utf-8', 'UTF-8', '"utf-8"', 'utf8', 'us-ascii'])
        expect([charset, sent(`; charset=${charset}`)]).toEqual([charset, undefined]);
      expect(sent('; version=1')).toBeUndefined();
      expect(sent('')).toBeUndefined();
    },
  );

  test('of another type, or of none, is 415', () => {
    for (const type of ['text/plain', 'application/jsonp', 'application/x-www-form-urlencoded', ''])
      expect([type, refusal({ 'content-type': type })]).toEqual([type, wrongType]);
    expect(refusal({})).toEqual(wrongType);
  });

  test('that is absent or not read may be declared in any way', () => {
    const declared = { 'content-type': 'text/plain', 'content-encoding': 'gzip' };
    expect(refusal({ ...declared, 'content-length': '0' })).toBeUndefined();
    for (const method of ['GET', 'HEAD'])
      expect(refusal({ ...declared, 'transfer-encoding': 'gzip, chunked' }, method)).toBeUndefined();
  });
});
