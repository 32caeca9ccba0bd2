import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NONCE_BYTES, xaesKey } from './xaes-256-gcm.ts';

const NONCE = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');

describe('XAES-256-GCM', () => {
  // https://c2sp.org/XAES-256-GCM: the two vectors differ in the top bit of the derived subkey.
  test.each([
    [1, '', 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271'],
    [3, 'c2sp.org/XAES-256-GCM', '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d'],
  ])('gives the bytes of the specification for a key of bytes %i', (byte, aad, expected) => {
    const { ciphertext, tag } = xaesKey(Buffer.alloc(32, byte)).seal(
      NONCE,
      Buffer.from('XAES-256-GCM'),
      Buffer.from(aad),
    );
    expect(Buffer.concat([ciphertext, tag]).toString('hex')).toBe(expected);
  });

  test('opens what it sealed, with any key, nonce, text and associated data', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        bytes(32),
        bytes(24),
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array(),
        (key, nonce, plain, aad) => {
          const sealed = xaesKey(key).seal(Buffer.from(nonce), plain, aad);
          expect(xaesKey(key).open(Buffer.from(nonce), sealed, aad)).toEqual(Buffer.from(plain));
        },
      ),
    );
  });

  test('two nonces that share either half give unrelated ciphertexts', () => {
    const key = xaesKey(Buffer.alloc(32, 9));
    const plain = Buffer.alloc(64);
    const halves = [Buffer.alloc(12, 1), Buffer.alloc(12, 2)] as const;
    const texts = halves.flatMap((first) =>
      halves.map((second) =>
        key.seal(Buffer.concat([first, second]), plain, Buffer.alloc(0)).ciphertext.toString('hex'),
      ),
    );
    expect(new Set(texts).size).toBe(4);
  });

  test('refuses keys and nonces of another size, and a short tag', () => {
    const key = xaesKey(Buffer.alloc(32));
    const none = Buffer.alloc(0);
    expect(() => xaesKey(Buffer.alloc(16))).toThrow(RangeError);
    expect(() => key.seal(Buffer.alloc(NONCE_BYTES - 1), none, none)).toThrow(RangeError);
    const { ciphertext, tag } = key.seal(NONCE, Buffer.from('x'), none);
    expect(() => key.open(NONCE, { ciphertext, tag: tag.subarray(0, 4) }, none)).toThrow();
  });
});
