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
