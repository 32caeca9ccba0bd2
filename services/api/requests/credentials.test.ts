import { describe, expect, test } from 'vitest';
import { extractTokenFromRequest, sentCredential } from './credentials.ts';

const sent = (authorization?: string) => sentCredential(authorization === undefined ? {} : { authorization });
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('reading a credential never throws', () => {
  test('finds the bearer token, whatever the case of its scheme', () => {
    expect(sent('Bearer a.b-c_d~e+f/g==')).toEqual({ kind: 'bearer', token: 'a.b-c_d~e+f/g==' });
    expect(sent('bEaReR  x')).toEqual({ kind: 'bearer', token: 'x' });
    expect(sent('DPoP x')).toEqual({ kind: 'dpop', token: 'x' });
    expect(extractTokenFromRequest({ headers: { authorization: 'Bearer x' } })).toBe('x');
    expect(extractTokenFromRequest({ headers: { authorization: 'dpop x' } })).toBe('x');
  });

  test('finds no credential without a header', () => {
    expect(sent()).toEqual({ kind: 'none' });
    expect(extractTokenFromRequest({ headers: {} })).toBeNull();
  });

  test.each([
    '',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer ä',
    'Digest x',
    'Basic',
    'Basic ***',
    `Bearer ${'x'.repeat(20_000)}`,
  ])('a malformed header gives null: %.20j', (header) => {
    expect(sent(header)).toEqual({ kind: 'malformed' });
    expect(extractTokenFromRequest({ headers: { authorization: header } })).toBeNull();
  });

  test('decodes client id and secret from form encoding inside Base64 (RFC 6749 §2.3.1)', () => {
    expect(sent(basic('a%3Ab+c:s%25+d:e'))).toEqual({ kind: 'basic', clientId: 'a:b c', clientSecret: 's% d:e' });
    expect(extractTokenFromRequest({ headers: { authorization: basic('a:b') } })).toBeNull();
  });

  test('reads an API key header as a bearer, and accepts nothing but a key there', () => {
    const sentKey = (key: string | string[], authorization?: string) =>
      sentCredential({ 'x-api-key': key, ...(authorization === undefined ? {} : { authorization }) } as never);
    expect(sentKey('sp_ak_abc')).toEqual({ kind: 'bearer', token: 'sp_ak_abc' });
    for (const key of ['', 'abc', 'sp_ak_', 'sp_ak_a b', `sp_ak_${'x'.repeat(129)}`, ['sp_ak_a', 'sp_ak_b']])
      expect(sentKey(key)).toEqual({ kind: 'malformed' });
    expect(sentKey('sp_ak_abc', 'Bearer x'), 'two credentials are none').toEqual({ kind: 'malformed' });
  });

  test.each(['no colon', '%zz:secret', 'id:%zz'])('a pair that does not decode is malformed: %s', (pair) => {
    expect(sent(basic(pair))).toEqual({ kind: 'malformed' });
  });
});
