import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openPhi, PhiOpenError, sealPhi, unwrapDataKey, wrapDataKey } from './phi-envelope.ts';
import { PHI_LEVELS, PHI_PURPOSES, type PhiEnvelope, phiEnvelope } from './phi-shapes.ts';
import { NONCE_BYTES, xaesKey } from './xaes-256-gcm.ts';

const key = randomBytes(32);
const about = { level: 'standard', subjectId: 'p-1', keyVersion: 1, purpose: 'treatment' } as const;
const level = fc.constantFrom(...PHI_LEVELS);
const purpose = fc.constantFrom(...PHI_PURPOSES);
const subjectId = fc.stringMatching(/^[A-Za-z0-9][\w.:-]{0,30}$/);
const binding = fc.record({ level, purpose, subjectId, keyVersion: fc.integer({ min: 1, max: 2_147_483_647 }) });
/** As it comes from JSON text: without -0. */
const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));

const seal = (data: unknown, changes: Partial<typeof about> | object = {}): PhiEnvelope =>
  sealPhi(key, { ...about, ...changes }, data, randomBytes(24));

describe('the envelope', () => {
  test('opens to the same JSON value of any type, at every level, and fits its published shape', () => {
    fc.assert(
      fc.property(binding, json, (bound, data) => {
        const envelope = sealPhi(key, bound, data, randomBytes(24));
        expect([phiEnvelope.parse(envelope), openPhi(key, envelope, bound.purpose)]).toEqual([envelope, data]);
      }),
    );
    for (const data of [null, '', 0, false, [], {}, 'é\u0000\u{1f600}\ud800', [null, { a: [1.5, 'x'] }]])
      for (const each of PHI_LEVELS) expect(openPhi(key, seal(data, { level: each }), 'treatment')).toEqual(data);
  });

  test('refuses another purpose, subject, level, key version or key', () =>
    fc.assert(
      fc.property(binding, binding, json, (bound, other, data) => {
        const envelope = sealPhi(key, bound, data, randomBytes(24));
        const changed = [
          ...(other.purpose === bound.purpose ? [] : [{ envelope, purpose: other.purpose }]),
          ...(other.subjectId === bound.subjectId
            ? []
            : [{ envelope: { ...envelope, subject_id: other.subjectId }, purpose: bound.purpose }]),
          ...(other.level === bound.level
            ? []
            : [{ envelope: { ...envelope, level: other.level }, purpose: bound.purpose }]),
          ...(other.keyVersion === bound.keyVersion
            ? []
            : [{ envelope: { ...envelope, key_version: other.keyVersion }, purpose: bound.purpose }]),
        ];
        for (const each of changed) expect(() => openPhi(key, each.envelope, each.purpose)).toThrow(PhiOpenError);
        expect(() => openPhi(randomBytes(32), envelope, bound.purpose)).toThrow(PhiOpenError);
      }),
    ));

  test('refuses a changed character at every place of iv, tag and ciphertext, including its spare bits', () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // Three lengths: no spare bits in the last character, two, and four.
    for (const data of ['a', 'ab', 'abc']) {
      const envelope = seal(data);
      for (const field of ['iv', 'tag', 'ciphertext'] as const)
        for (let at = 0; at < envelope[field].length; at += 1)
          // The last characters have the spare bits.
          for (const letter of at < envelope[field].length - 2 ? 'A_' : letters) {
            if (envelope[field][at] === letter) continue;
            const text = envelope[field].slice(0, at) + letter + envelope[field].slice(at + 1);
            expect(() => openPhi(key, { ...envelope, [field]: text }, 'treatment')).toThrow(PhiOpenError);
          }
    }
  });

  test('refuses truncated, extended, padded and swapped members', () => {
    const [one, two] = [seal({ a: 1 }), seal({ a: 1 })];
    const changes: Partial<PhiEnvelope>[] = [
      { ciphertext: one.ciphertext.slice(0, -4) },
      { ciphertext: '' },
      { ciphertext: `${one.ciphertext}AAAA` },
      { ciphertext: `${one.ciphertext}=` },
      { ciphertext: one.ciphertext.replace(/.$/, '!') },
      { tag: one.tag.slice(0, 16) },
      { iv: one.iv.slice(0, 16) },
      { iv: two.iv },
      { tag: two.tag },
      { iv: two.iv, tag: two.tag },
    ];
    for (const change of changes)
      expect(() => openPhi(key, { ...one, ...change }, 'treatment'), JSON.stringify(change)).toThrow(PhiOpenError);
  });

  test('an error has no part of the value, the key or the reason', () => {
    const envelope = seal('secret diagnosis');
    const err = (() => {
      try {
        openPhi(key, envelope, 'payment');
      } catch (caught) {
        return caught as Error;
      }
      return undefined;
    })();
    expect(err).toBeInstanceOf(PhiOpenError);
    expect(err?.cause).toBeUndefined();
    expect(`${err?.message}${JSON.stringify(err)}`).not.toMatch(/secret|diagnosis|unable|authenticate/);
  });

  test('ten thousand values of one subject have ten thousand nonces and ciphertexts', () => {
    const envelopes = Array.from({ length: 10_000 }, () => seal('the same'));
    expect(new Set(envelopes.map(({ iv }) => iv)).size).toBe(10_000);
    expect(new Set(envelopes.map(({ ciphertext }) => ciphertext)).size).toBe(10_000);
  });

  test('level high hides the length of the value up to its block', () => {
    const sizes = (of: 'standard' | 'high') =>
      new Set(['', 'x', 'x'.repeat(200)].map((data) => seal(data, { level: of }).ciphertext.length));
    expect([sizes('standard').size, sizes('high').size]).toEqual([3, 1]);
  });
});

describe('a wrapped data key', () => {
  const place = { subjectId: 'p-1', level: 'standard', version: 1 } as const;
  const kek = xaesKey(randomBytes(32));

  test('opens only in its own row and under its own key', () => {
    const wrapped = wrapDataKey(kek, key, place, randomBytes(24));
    expect(unwrapDataKey(kek, wrapped, place)).toEqual(key);
    for (const other of [
      { ...place, subjectId: 'p-2' },
      { ...place, level: 'high' as const },
      { ...place, version: 2 },
    ])
      expect(() => unwrapDataKey(kek, wrapped, other)).toThrow(PhiOpenError);
    expect(() => unwrapDataKey(xaesKey(randomBytes(32)), wrapped, place)).toThrow(PhiOpenError);
  });

  test('refuses every changed byte, another length and another format', () => {
    const wrapped = wrapDataKey(kek, key, place, randomBytes(24));
    const raw = Buffer.from(wrapped.slice(4), 'base64url');
    for (let at = 0; at < raw.length; at += 1) {
      const changed = Buffer.from(raw);
      changed[at] = (changed[at] as number) ^ 1;
      expect(() => unwrapDataKey(kek, `dk1.${changed.toString('base64url')}`, place)).toThrow(PhiOpenError);
    }
    for (const text of [
      '',
      'dk1.',
      wrapped.slice(0, -4),
      `${wrapped}AAAA`,
      wrapped.replace('dk1.', 'dk2.'),
      `${wrapped}=`,
    ])
      expect(() => unwrapDataKey(kek, text, place), text).toThrow(PhiOpenError);
  });
});

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
