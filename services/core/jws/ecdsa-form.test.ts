import { generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derOfRaw, rawOfDer } from './ecdsa-form.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const half = (hex: string): string => hex.padStart(64, '0');
const rawOf = (r: string, s: string): Buffer => Buffer.from(half(r) + half(s), 'hex');

test.each([
  ['short numbers', '1', '7f', '3006 0201 01 0201 7f'],
  ['a first bit that would be a sign', '80', 'ff01', '3009 0202 0080 0203 00ff01'],
  [
    'numbers of full length',
    '7f'.repeat(32),
    '80'.repeat(32),
    `3045 0220 ${'7f'.repeat(32)} 0221 00${'80'.repeat(32)}`,
  ],
  ['zero, which OpenSSL refuses', '0', '0', '3006 0201 00 0201 00'],
])('%s are written as DER requires, and read back', (_what, r, s, der) => {
  const raw = rawOf(r, s);
  expect(derOfRaw(raw).toString('hex')).toBe(der.replaceAll(' ', ''));
  expect(rawOfDer(derOfRaw(raw))).toEqual(raw);
});

test('every pair of numbers comes back as it was', () =>
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(32), fc.nat(32), (bytes, rZeros, sZeros) => {
      bytes.fill(0, 0, rZeros).fill(0, 32, 32 + sZeros);
      expect(rawOfDer(derOfRaw(bytes))).toEqual(Buffer.from(bytes));
    }),
  ));

test('a thousand signatures have the forms that node:crypto gives them', () => {
  const input = Buffer.from('header.payload');
  for (let round = 0; round < 1_000; round += 1) {
    const der = sign('sha256', input, privateKey);
    expect(verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, rawOfDer(der))).toBe(true);
    const raw = sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    expect(verify('sha256', input, publicKey, derOfRaw(raw))).toBe(true);
    raw[round % 64]! ^= 1;
    expect(verify('sha256', input, publicKey, derOfRaw(raw))).toBe(false);
  }
});
