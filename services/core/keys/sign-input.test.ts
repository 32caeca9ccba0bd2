import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { keyRow, KEY_NOW as NOW } from './key-row-harness.ts';
import type { KeyAlgorithm } from './key-timeline.ts';
import type { KeyRow } from './keys.store.ts';
import type { OpenKeys, Signer } from './open-keys.ts';
import { chooseSigner, type SignerNeeds, signingInput } from './sign.ts';

const AUDIENCE = 'https://api.example.test';

const signer = (kid: string, changes: Partial<KeyRow> = {}): Signer => {
  const row = keyRow(kid, changes);
  const key = createSecretKey(Buffer.alloc(32, 1));
  return { row, key, until: row.signs_until ?? Number.POSITIVE_INFINITY, headers: new Map() };
};

const old = signer('old', { signs_until: NOW + 1_000 });
const next = signer('next', { signs_from: NOW + 1_000 });
const shared = signer('shared', { alg: 'HS256', purpose: `hs256:${AUDIENCE}`, signs_until: NOW + 2_000 });
const keys: OpenKeys = {
  verifiers: new Map(),
  signers: new Map([
    ['access', [old, next]],
    [`hs256:${AUDIENCE}`, [shared]],
  ]),
};
const chosen = (
  of: OpenKeys,
  mode: KeyAlgorithm,
  { nowMs = NOW, ...needs }: Partial<SignerNeeds> & { nowMs?: number } = {},
): string | undefined =>
  chooseSigner(of, mode, { typ: 'at+jwt', audience: AUDIENCE, algorithm: undefined, ...needs }, nowMs)?.row.kid;
const none: OpenKeys = { verifiers: new Map(), signers: new Map() };

describe('the key that signs', () => {
  test('changes at one instant: never two, never none', () => {
    const kidAt = (nowMs: number) => chosen(keys, 'RS256', { nowMs });
    expect([kidAt(NOW - 1), kidAt(NOW), kidAt(NOW + 999)]).toEqual([undefined, 'old', 'old']);
    expect([kidAt(NOW + 1_000), kidAt(NOW + 1e12)]).toEqual(['next', 'next']);
    expect(chosen(none, 'RS256')).toBeUndefined();
  });

  test.each([
    ['an access token of its audience, in HS256 mode', 'HS256', 'at+jwt', AUDIENCE, NOW, 'shared'],
    ['the same, after the secret’s range', 'HS256', 'at+jwt', AUDIENCE, NOW + 2_000, 'next'],
    ['another typ', 'HS256', 'JWT', AUDIENCE, NOW, 'old'],
    ['another audience', 'HS256', 'at+jwt', 'https://other.example.test', NOW, 'old'],
    ['an audience that is a list', 'HS256', 'at+jwt', [AUDIENCE], NOW, 'old'],
    ['no audience', 'HS256', 'at+jwt', undefined, NOW, 'old'],
    ['any other mode', 'RS256', 'at+jwt', AUDIENCE, NOW, 'old'],
  ] as const)('a shared secret signs only access tokens of its audience: %s', (_, mode, typ, aud, at, kid) => {
    expect(chosen(keys, mode, { typ, audience: aud, nowMs: at })).toBe(kid);
  });
});

describe('the key of a client registered for an algorithm', () => {
  const es = signer('es', { alg: 'ES256', purpose: 'access:ES256', signs_until: NOW + 1_000 });
  const both: OpenKeys = { ...keys, signers: new Map([...keys.signers, ['access:ES256', [es]]]) };

  test.each([
    ['an additional algorithm has keys of its own', { algorithm: 'ES256' }, 'RS256', 'es'],
    [
      'no key of another algorithm replaces them after their range',
      { algorithm: 'ES256', nowMs: NOW + 1_000 },
      'RS256',
      undefined,
    ],
    ['nor for an algorithm without keys', { algorithm: 'EdDSA' }, 'RS256', undefined],
    ['the default algorithm has the default keys', { algorithm: 'RS256' }, 'RS256', 'old'],
    ['no shared secret signs for it', { algorithm: 'RS256' }, 'HS256', 'old'],
    ['a client registered for none gets the default', {}, 'RS256', 'old'],
  ] as const)('%s', (_, needs, mode, kid) => expect(chosen(both, mode, needs)).toBe(kid));

  test('is the default key from the instant at which that changes to the algorithm', () => {
    const changing: OpenKeys = {
      ...both,
      signers: new Map([
        ['access', [old, signer('next', { alg: 'ES256', signs_from: NOW + 1_000 })]],
        ['access:ES256', [es]],
      ]),
    };
    expect(chosen(changing, 'ES256', { algorithm: 'ES256', nowMs: NOW + 999 })).toBe('es');
    expect(chosen(changing, 'ES256', { algorithm: 'ES256', nowMs: NOW + 1_000 })).toBe('next');
  });
});

describe('what is signed', () => {
  const decoded = (input: string): unknown[] =>
    input.split('.').map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));

  test('names algorithm, key and typ, even when there are more typs than are cached', () => {
    const one = signer('one');
    for (const round of [1, 2])
      for (let n = 0; n < 20; n += 1)
        expect(decoded(signingInput(one, `type-${n}`, { sub: 'u', round }, NOW))).toEqual([
          { alg: 'RS256', kid: 'one', typ: `type-${n}` },
          { sub: 'u', round },
        ]);
    expect(one.headers.size).toBe(16);
  });

  test('expires before its key leaves the key set: one second more is rounding, two are a defect', () => {
    const exp = (seconds: unknown) => signingInput(old, 'at+jwt', { exp: seconds }, NOW);
    expect(() => exp(NOW / 1_000 + 901)).not.toThrow();
    expect(() => exp(NOW / 1_000 + 902)).toThrow("a token of 902 s outlives its key's 900 s");
    expect(() => exp(undefined)).not.toThrow();
  });
});
