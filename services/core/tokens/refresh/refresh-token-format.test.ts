import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  checkRefreshToken,
  GENERATION_MAX,
  mintRefreshToken,
  nonceHashOf,
  REFRESH_TOKEN_LENGTH_MAX,
  type RefreshSecrets,
  type RefreshTokenParts,
  uuidFromBytes,
  uuidToBytes,
} from './refresh-token-format.ts';

const keys = new Map([
  [1, Buffer.alloc(32, 1)],
  [7, Buffer.alloc(32, 7)],
  [32_767, Buffer.alloc(32, 9)],
]);
const secrets: RefreshSecrets = {
  secret: () => ({ version: 7, key: keys.get(7) as Buffer }),
  secretVersion: (_purpose, version) => keys.get(version),
};
const incarnation = '0190b1d4-0000-7000-8000-0000000000aa';
const keyOf = (kv: number): Buffer => keys.get(kv) as Buffer;
const partsOf = (over: Partial<RefreshTokenParts> = {}): RefreshTokenParts => ({
  kv: 7,
  familyBytes: Buffer.alloc(16, 3),
  generation: 5,
  nonce: Buffer.alloc(32, 4),
  ...over,
});
const mint = (over: Partial<RefreshTokenParts> = {}, clientId = ''): string => {
  const parts = partsOf(over);
  return mintRefreshToken(keyOf(parts.kv), incarnation, parts, clientId);
};
const check = (token: string, clientIds: readonly string[] = [''], at = incarnation) =>
  checkRefreshToken(token, clientIds, secrets, at);

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));
const anyParts = fc.record({
  kv: fc.constantFrom(1, 7, 32_767),
  familyBytes: bytes(16),
  generation: fc.integer({ min: 0, max: GENERATION_MAX }),
  nonce: bytes(32),
});
const clientId = fc.string({ unit: 'grapheme', maxLength: 64 }).map((text) => text.toWellFormed());

describe('form', () => {
  test('a minted token parses into the same parts, for every family, generation, key and client', () =>
    fc.assert(
      fc.property(anyParts, clientId, (parts, id) => {
        const token = mintRefreshToken(keyOf(parts.kv), incarnation, parts, id);
        expect(token.length).toBeLessThanOrEqual(REFRESH_TOKEN_LENGTH_MAX);
        expect(check(token, [id])).toEqual({ ...parts, nonceHash: nonceHashOf(parts.nonce), boundClientId: id });
      }),
    ));

  test('the longest genuine token is exactly as long as the limit', () => {
    const token = mint({ kv: 32_767, generation: GENERATION_MAX });
    expect(token).toHaveLength(REFRESH_TOKEN_LENGTH_MAX);
    expect(check(token)).not.toBeNull();
  });

  test('the same parts always give the same token, so a repeated refresh gets the same successor', () =>
    expect(mint()).toBe(mint()));

  test('has one encoding: any changed character is rejected', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/= \n\0é';
    const token = mint();
    for (let at = 0; at < token.length; at += 1) {
      for (const character of alphabet) {
        if (character === token[at]) continue;
        expect(check(token.slice(0, at) + character + token.slice(at + 1))).toBeNull();
      }
    }
  });

  test.each([
    ['nothing', ''],
    ['a missing part', mint().split('.').slice(0, 4).join('.')],
    ['a part too many', `${mint()}.x`],
    ['a leading zero in the generation', mint().replace('.5.', '.05.')],
    ['a signed generation', mint().replace('.5.', '.+5.')],
    ['a negative generation', mint().replace('.5.', '.-5.')],
    ['a generation in another base', mint().replace('.5.', '.0x5.')],
    ['a generation beyond 2^31-2', mint().replace('.5.', `.${GENERATION_MAX + 1}.`)],
    ['a generation of eleven digits', mint().replace('.5.', '.10000000000.')],
    ['key version 0', mint().replace('sp_rt_7', 'sp_rt_0')],
    ['key version beyond smallint', mint().replace('sp_rt_7', 'sp_rt_32768')],
    ['padding', `${mint()}=`],
    ['white space before', ` ${mint()}`],
    ['white space after', `${mint()}\n`],
    ['another prefix', mint().replace('sp_rt_', 'sp_at_')],
    ['capitals in the prefix', mint().replace('sp_rt_', 'SP_RT_')],
    ['ten thousand characters', 'sp_rt_7.'.padEnd(10_000, 'A')],
  ])('refuses %s', (_what, token) => expect(check(token)).toBeNull());

  test('only the canonical base64url encoding is accepted', () => {
    const parts = mint().split('.');
    for (const index of [1, 3, 4]) {
      const part = parts[index] as string;
      const last = part.charCodeAt(part.length - 1);
      const other = [...parts];
      // The last characters differ only in bits that the decoder ignores.
      other[index] = part.slice(0, -1) + String.fromCharCode(last + 1);
      expect(Buffer.from(other[index] as string, 'base64url')).toEqual(Buffer.from(part, 'base64url'));
      expect(check(other.join('.'))).toBeNull();
    }
  });

  test('minting refuses parts that parsing would reject', () => {
    for (const over of [
      { familyBytes: Buffer.alloc(15) },
      { nonce: Buffer.alloc(31) },
      { generation: -1 },
      { generation: 2 ** 31 },
    ])
      expect(() => mint(over)).toThrow(RangeError);
    expect(() => mintRefreshToken(keyOf(7), incarnation, partsOf({ kv: 0 }), '')).toThrow(RangeError);
    expect(() => mintRefreshToken(keyOf(7), incarnation, partsOf({ kv: 32_768 }), '')).toThrow(RangeError);
  });
});

describe('MAC', () => {
  test('is HMAC-SHA-256 over fixed-width parts and the client id last', () => {
    const parts = partsOf();
    const message = Buffer.concat([
      Buffer.from('sp_rt'),
      Buffer.from([0, 7]),
      Buffer.from(incarnation.replaceAll('-', ''), 'hex'),
      parts.familyBytes,
      Buffer.from([0, 0, 0, 5]),
      parts.nonce,
      Buffer.from('client-é'),
    ]);
    const mac = createHmac('sha256', keyOf(7)).update(message).digest('base64url');
    expect(mint({}, 'client-é').split('.')[4]).toBe(mac);
  });

  test('does not match another family, generation, nonce, key version, client or incarnation', () =>
    fc.assert(
      fc.property(anyParts, anyParts, clientId, clientId, (mine, other, id, otherId) => {
        const token = mintRefreshToken(keyOf(mine.kv), incarnation, mine, id);
        const [head, family, generation, nonce, mac] = token.split('.') as [string, string, string, string, string];
        const foreign = mintRefreshToken(keyOf(other.kv), incarnation, other, id).split('.');
        const forgeries = [
          [head, foreign[1], generation, nonce, mac],
          [head, family, foreign[2], nonce, mac],
          [head, family, generation, foreign[3], mac],
          [foreign[0], family, generation, nonce, mac],
        ];
        for (const forgery of forgeries) {
          const text = forgery.join('.');
          if (text !== token) expect(check(text, [id])).toBeNull();
        }
        if (otherId !== id) expect(check(token, [otherId])).toBeNull();
        expect(check(token, [id], randomUUID())).toBeNull();
      }),
    ));

  test('a token under an unknown server key is rejected, whatever its MAC', () => {
    const token = mintRefreshToken(randomBytes(32), incarnation, partsOf({ kv: 8 }), '');
    expect(check(token)).toBeNull();
    expect(check(mint().replace('sp_rt_7.', 'sp_rt_1.'))).toBeNull();
  });

  test('a client-bound token is accepted only for its client, an unbound one for every client', () => {
    expect(check(mint({}, 'c1'), ['', 'c1'])?.boundClientId).toBe('c1');
    expect(check(mint({}, 'c1'), ['', 'c2'])).toBeNull();
    expect(check(mint({}, 'c1'))).toBeNull();
    expect(check(mint(), ['', 'c2'])?.boundClientId).toBe('');
  });

  test('a server key is looked up only for a well-formed token', () => {
    const secretVersion = vi.fn(() => undefined);
    const watched: RefreshSecrets = { ...secrets, secretVersion };
    checkRefreshToken('sp_rt_7.x', [''], watched, incarnation);
    expect(secretVersion).not.toHaveBeenCalled();
  });
});

test('UUID bytes and text convert to each other without loss', () => {
  fc.assert(
    fc.property(bytes(16), (raw) => {
      expect(uuidToBytes(uuidFromBytes(raw))).toEqual(raw);
    }),
  );
  for (const text of ['', '0190b1d4-0000-7000-8000-0000000000AA', '0190b1d400007000800000000000000aa0'])
    expect(() => uuidToBytes(text)).toThrow(RangeError);
});
