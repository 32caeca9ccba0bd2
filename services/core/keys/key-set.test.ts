import { createPublicKey, generateKeyPairSync, hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import {
  assertStrength,
  isSharedSecret,
  KeyMaterialError,
  makeKeyPair,
  openPrivatePart,
  publicJwkOf,
  type SealedKey,
  sealSharedSecret,
  signingKeyOf,
  verificationKeyOf,
} from './key-material.ts';
import { KEY_NOW, keyRow, KEY_NOW as NOW } from './key-row-harness.ts';
import { makeKeySet } from './key-set.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import type { KeyRow } from './keys.store.ts';
import { keyTimeline } from './list-keys.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const whole = privateKey.export({ format: 'jwk' });

const key = (kid: string, changes: Partial<KeyRow> = {}): KeyRow =>
  keyRow(kid, { alg: 'ES256', public_key: JSON.stringify(whole), ...changes });
const kidsOf = ({ body }: { readonly body: string }): string[] =>
  JSON.parse(body).keys.map(({ kid }: { kid: string }) => kid);

test('only public members are published, even of a row with the private key in clear', () => {
  expect(whole.d).toBeDefined();
  const { kty, crv, x, y } = whole;
  const { body } = makeKeySet([key('a')], NOW);
  expect(JSON.parse(body)).toEqual({ keys: [{ kty, use: 'sig', alg: 'ES256', kid: 'a', crv, x, y }] });
});

test('shared secrets, compromised keys and retired keys are not published', () => {
  const set = makeKeySet(
    [
      key('waiting', { signs_from: NOW + 1 }),
      key('secret', { alg: 'HS256', purpose: 'hs256:partner', public_key: 'sealed' }),
      key('leaked', { compromised_at: NOW - 1 }),
      key('over', { signs_until: NOW - 1_000, leaves_at: NOW }),
      key('last', { signs_until: NOW - 1_000, leaves_at: NOW + 1 }),
    ],
    NOW,
  );
  expect(kidsOf(set)).toEqual(['waiting', 'last']);
});

test('is valid until the first of its keys leaves, forever where none will', () => {
  const leaving = [key('a', { leaves_at: NOW + 2_000 }), key('b', { leaves_at: NOW + 1_000 }), key('c')];
  expect(makeKeySet(leaving, NOW).until).toBe(NOW + 1_000);
  expect(makeKeySet([key('c')], NOW).until).toBe(Number.POSITIVE_INFINITY);
});

test('has one ETag per body', () => {
  const { etag } = makeKeySet([key('a')], NOW);
  expect(etag).toMatch(/^"[\w-]{22}"$/);
  expect(makeKeySet([key('a')], NOW + 1).etag).toBe(etag);
  expect(makeKeySet([key('b')], NOW).etag).not.toBe(etag);
});

const view = (kid: string, times: Partial<KeyView>): KeyView => ({
  kid,
  alg: 'RS256',
  purpose: 'access',
  state: 'active',
  published_at: '2030-01-01T00:00:00.000Z',
  activates_at: '2030-01-02T00:00:00.000Z',
  signs_until: null,
  leaves_at: null,
  compromised_at: null,
  compromise_reason: null,
  ...times,
});

const lines = (keys: readonly KeyView[]): string[] =>
  keyTimeline(keys).map(({ at, kid, event }) => `${at.slice(0, 10)} ${kid} ${event}`);

test('the timeline lists every event of every key in order, including planned ones', () => {
  const one = view('one', { signs_until: '2030-02-01T00:00:00.000Z', leaves_at: '2030-02-02T00:00:00.000Z' });
  const two = view('two', { published_at: '2030-01-31T00:00:00.000Z', activates_at: '2030-02-01T00:00:00.000Z' });
  expect(lines([one, two])).toEqual([
    '2030-01-01 one published',
    '2030-01-02 one signs',
    '2030-01-31 two published',
    '2030-02-01 one stops signing',
    '2030-02-01 two signs',
    '2030-02-02 one leaves the key set',
  ]);
});

test('a compromise ends a key’s timeline; a key that never signed is not listed as signing', () => {
  const signed = view('signed', { compromised_at: '2030-01-05T00:00:00.000Z', leaves_at: '2030-02-02T00:00:00.000Z' });
  const at = '2030-01-01T12:00:00.000Z';
  const never = view('never', { activates_at: at, compromised_at: at });
  expect(lines([signed])).toEqual([
    '2030-01-01 signed published',
    '2030-01-02 signed signs',
    '2030-01-05 signed compromised',
  ]);
  expect(lines([never])).toEqual(['2030-01-01 never published', '2030-01-01 never compromised']);
});

test('nothing of a compromised key is planned after its compromise', () => {
  const times = { signs_until: KEY_NOW + 1_000, leaves_at: KEY_NOW + 2_000, compromised_at: KEY_NOW + 500 };
  const at = new Date(times.compromised_at).toISOString();
  expect(keyViewOf(keyRow('key', times), KEY_NOW)).toMatchObject({ signs_until: at, leaves_at: at });
  const never = keyViewOf(keyRow('key', { ...times, compromised_at: KEY_NOW - 500 }), KEY_NOW);
  expect(never.activates_at).toBe(never.compromised_at);
});

const vault = createVault(Buffer.alloc(32, 7));
const ports = { vault, random: systemRandom };

const weakRsa = (): SealedKey => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const sealedPrivateKey = vault.seal(privateKey.export({ format: 'der', type: 'pkcs8' }), 'jwks:access:weak');
  const jwk = publicKey.export({ format: 'jwk' });
  const halves = { public_key: JSON.stringify(jwk), sealed_private_key: sealedPrivateKey };
  return { kid: 'weak', purpose: 'access', alg: 'RS256', ...halves };
};

describe.each(['RS256', 'ES256', 'EdDSA'] as const)('%s', (alg) => {
  test('the kid is the RFC 7638 thumbprint, as another implementation computes it', async () => {
    const key = await makeKeyPair(vault, 'access', alg);
    const { crv, e, kty, n, x, y } = publicJwkOf(key);
    expect(key.kid).toBe(hash('sha256', JSON.stringify({ crv, e, kty, n, x, y }), 'base64url'));
  });

  test('a sealed private part opens only for its own kid and purpose', async () => {
    const key = await makeKeyPair(vault, 'access', alg);
    expect(signingKeyOf(vault, key).type).toBe('private');
    expect(() => signingKeyOf(vault, { ...key, kid: 'other' })).toThrow(KeyMaterialError);
    expect(() => signingKeyOf(vault, { ...key, purpose: 'other' })).toThrow(KeyMaterialError);
  });

  test('a public key that does not match the private key is rejected', async () => {
    const [key, other] = await Promise.all([makeKeyPair(vault, 'access', alg), makeKeyPair(vault, 'access', alg)]);
    expect(() => signingKeyOf(vault, { ...key, public_key: other.public_key })).toThrow(/do not match/);
  });
});

test('no kid begins like a command line option', async () => {
  const keys = await Promise.all(Array.from({ length: 400 }, () => makeKeyPair(vault, 'access', 'EdDSA')));
  expect(keys.filter((key) => key.kid.startsWith('-'))).toEqual([]);
});

describe('strength', () => {
  test('RSA below 2048 bits is rejected for signing and verifying', () => {
    const weak = weakRsa();
    expect(() => signingKeyOf(vault, weak)).toThrow(KeyMaterialError);
    expect(() => assertStrength(weak, verificationKeyOf(vault, weak, undefined).key)).toThrow(/too weak for RS256/);
  });

  test('an HS256 secret below 256 bits is rejected', () => {
    expect(() => sealSharedSecret(ports, 'hs256:a', Buffer.alloc(31, 1))).toThrow(/shorter than 256 bits/);
    const sealed_private_key = vault.seal(Buffer.alloc(31, 1), 'jwks:hs256:a:short');
    const short = { kid: 'short', purpose: 'hs256:a', alg: 'HS256', public_key: '', sealed_private_key } as const;
    expect(() => assertStrength(short, verificationKeyOf(vault, short, 'a').key)).toThrow(KeyMaterialError);
  });

  test('a key works with one algorithm only: P-256 not with RS256, RSA not with EdDSA', async () => {
    const ec = await makeKeyPair(vault, 'access', 'ES256');
    const rsa = await makeKeyPair(vault, 'access', 'RS256');
    const publicOf = (key: SealedKey) => createPublicKey({ key: publicJwkOf(key), format: 'jwk' });
    expect(() => assertStrength({ ...ec, alg: 'RS256' }, publicOf(ec))).toThrow(KeyMaterialError);
    expect(() => assertStrength({ ...ec, alg: 'EdDSA' }, publicOf(ec))).toThrow(KeyMaterialError);
    expect(() => assertStrength({ ...rsa, alg: 'EdDSA' }, publicOf(rsa))).toThrow(KeyMaterialError);
    expect(() => assertStrength({ ...rsa, alg: 'ES256' }, publicOf(rsa))).toThrow(KeyMaterialError);
    expect(() => assertStrength({ ...rsa, alg: 'HS256' }, publicOf(rsa))).toThrow(KeyMaterialError);
  });
});

describe('shared secrets', () => {
  test('are recognised by a sealed fingerprint, under a kid that reveals nothing about them', () => {
    const secret = Buffer.alloc(32, 3);
    const [one, other] = [sealSharedSecret(ports, 'hs256:a', secret), sealSharedSecret(ports, 'hs256:a', secret)];
    expect(one.kid).not.toBe(other.kid);
    expect(isSharedSecret(vault, one, secret)).toBe(true);
    expect(isSharedSecret(vault, { ...one, sealed_private_key: '' }, Buffer.alloc(32, 4))).toBe(false);
    expect(openPrivatePart(vault, one).equals(secret)).toBe(true);
    expect(JSON.stringify(one)).not.toContain(secret.toString('base64url'));
  });

  test('verify for their audience only', () => {
    const key = sealSharedSecret(ports, 'hs256:a', Buffer.alloc(32, 3));
    expect(verificationKeyOf(vault, key, 'a')).toMatchObject({ alg: 'HS256', audience: 'a' });
    expect(signingKeyOf(vault, key).symmetricKeySize).toBe(32);
  });
});

test('keys sealed under another key-encryption key give an error with a fix and without a secret', async () => {
  const key = await makeKeyPair(vault, 'access', 'EdDSA');
  const other = createVault(Buffer.alloc(32, 8));
  expect(() => signingKeyOf(other, key)).toThrow(
    expect.objectContaining({
      name: 'KeyMaterialError',
      message: 'the keys in this database were sealed under another key-encryption key',
      fix: expect.stringContaining('KEY_ENCRYPTION_KEY'),
    }),
  );
});
