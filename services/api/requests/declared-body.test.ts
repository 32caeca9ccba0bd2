import { describe, expect, test } from 'vitest';
import { refuseDeclaredBody } from './declared-body.ts';

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
