import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { keyRow, KEY_NOW as NOW } from './key-row-harness.ts';
import type { KeyRow } from './keys.store.ts';
import type { OpenKeys, Signer } from './open-keys.ts';
import { chooseSigner, signingInput } from './signing-input.ts';

const AUDIENCE = 'https://api.example.test';

const signer = (kid: string, changes: Partial<KeyRow> = {}): Signer => {
  const row = keyRow(kid, changes);
  const key = createSecretKey(Buffer.alloc(32, 1));
  return { row, key, until: row.signsUntil ?? Number.POSITIVE_INFINITY, headers: new Map() };
};

const old = signer('old', { signsUntil: NOW + 1_000 });
const next = signer('next', { signsFrom: NOW + 1_000 });
const shared = signer('shared', { alg: 'HS256', purpose: `hs256:${AUDIENCE}`, signsUntil: NOW + 2_000 });
const keys: OpenKeys = {
  verifiers: new Map(),
  signers: new Map([
    ['access', [old, next]],
    [`hs256:${AUDIENCE}`, [shared]],
  ]),
};
const none: OpenKeys = { verifiers: new Map(), signers: new Map() };

describe('the key that signs', () => {
  test('changes at one instant: never two, never none', () => {
    const kidAt = (nowMs: number) => chooseSigner(keys, 'RS256', 'at+jwt', AUDIENCE, nowMs)?.row.kid;
    expect([kidAt(NOW - 1), kidAt(NOW), kidAt(NOW + 999)]).toEqual([undefined, 'old', 'old']);
    expect([kidAt(NOW + 1_000), kidAt(NOW + 1e12)]).toEqual(['next', 'next']);
    expect(chooseSigner(none, 'RS256', 'at+jwt', AUDIENCE, NOW)).toBeUndefined();
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
    expect(chooseSigner(keys, mode, typ, aud, at)?.row.kid).toBe(kid);
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
