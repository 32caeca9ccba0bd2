import { generateKeyPairSync, verify } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { joseSignatureOf, signEs256 } from './ecdsa-signature.ts';

/** DER of a positive integer of at most 32 bytes. */
function derInteger(value: Buffer): Buffer {
  let start = 0;
  while (start < value.length - 1 && value[start] === 0) start += 1;
  const bytes = value.subarray(start);
  const signed = ((bytes[0] ?? 0) & 0x80) === 0 ? bytes : Buffer.concat([Buffer.from([0]), bytes]);
  return Buffer.concat([Buffer.from([2, signed.length]), signed]);
}

test('R and S keep their values, however many leading zeros they have', () => {
  const integer = fc
    .tuple(fc.nat(32), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([zeros, bytes]) => Buffer.from(bytes).fill(0, 0, zeros));
  fc.assert(
    fc.property(integer, integer, (r, s) => {
      const body = Buffer.concat([derInteger(r), derInteger(s)]);
      const der = Buffer.concat([Buffer.from([0x30, body.length]), body]);
      expect(joseSignatureOf(der)).toEqual(Buffer.concat([r, s]));
    }),
    { numRuns: 1_000 },
  );
});

test('a thousand signatures verify as RFC 7518 §3.4 writes them', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
  for (let index = 0; index < 1_000; index += 1) {
    const data = Buffer.from(`message ${index}`);
    const signature = signEs256(data, privateKey);
    expect(signature).toHaveLength(64);
    expect(verify('sha256', data, key, signature)).toBe(true);
  }
});
