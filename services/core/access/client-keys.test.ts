import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { isJwksUri, readClientKeys } from './client-keys.ts';

const jwkOf = (pair: { publicKey: { export(options: { format: 'jwk' }): object } }) =>
  pair.publicKey.export({ format: 'jwk' }) as Record<string, string>;
const makers = (['ES256', 'EdDSA', 'PS256'] as const).map((alg) => newAssertionMaker(alg));
const [ec, okp, rsa] = makers.map(({ jwk }) => jwk) as [Record<string, string>, object, Record<string, string>];

describe('a JWK set of a client', () => {
  test('keeps P-256, Ed25519 and RSA keys, by the members that verification needs', () => {
    const read = readClientKeys({ keys: [{ ...ec, x5t: 'x' }, okp, { ...rsa, alg: 'PS256', kid: undefined }] });
    expect(read).toEqual({
      keys: [
        { kid: ec.kid, kty: 'EC', crv: 'P-256', x: ec.x, y: ec.y },
        expect.objectContaining({ kty: 'OKP', crv: 'Ed25519' }),
        { kty: 'RSA', n: rsa.n, e: rsa.e, alg: 'PS256' },
      ],
    });
  });

  test.each([
    ['a key for encryption', { ...ec, use: 'enc' }],
    ['a key that may not verify', { ...ec, key_ops: ['encrypt'] }],
    ['operations that are not a list', { ...ec, key_ops: 'verify' }],
    ['an algorithm of another kind of key', { ...ec, alg: 'RS256' }],
    ['an algorithm for encryption', { ...rsa, alg: 'RSA-OAEP' }],
    ['a kind of key that does not exist', { kty: 'XX', alg: 'ES256' }],
    ['a key without a kind', {}],
    ['another curve', jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }))],
    ['another Edwards curve', jwkOf(generateKeyPairSync('ed448'))],
    ['no point of the curve', { ...ec, x: 'A'.repeat(43) }],
    ['a coordinate that is no text', { ...ec, y: 7 }],
    ['a short RSA key', jwkOf(generateKeyPairSync('rsa', { modulusLength: 1_024 }))],
    ['an RSA key that is too long', { ...rsa, n: 'A'.repeat(684) }],
    ['an RSA key without its modulus', { kty: 'RSA', e: 'AQAB' }],
    ['an RSA key without its exponent', { kty: 'RSA', n: rsa.n }],
  ])('%s does not count as a key for signatures', (_name, jwk) => {
    expect(readClientKeys({ keys: [jwk] })).toMatch(/^has no P-256/);
    expect(readClientKeys({ keys: [jwk, ec] })).toMatchObject({ keys: [{ kty: 'EC' }] });
  });

  test.each([
    ['a private key', { keys: [{ ...ec, d: ec.x }] }, /private or symmetric/],
    ['a shared secret', { keys: [ec, { kty: 'oct', k: 'c2VjcmV0' }] }, /private or symmetric/],
    ['a kid that is too long', { keys: [{ ...ec, kid: 'x'.repeat(257) }] }, /kid/],
    ['a kid that is no text', { keys: [{ ...ec, kid: 7 }] }, /kid/],
    ['a key that is no object', { keys: ['x'] }, /not an object/],
    ['eleven keys', { keys: Array.from({ length: 11 }, () => ec) }, /more than 10/],
    ['no list', { keys: {} }, /not a JWK set/],
    ['a list', [ec], /not a JWK set/],
    ['null', null, /not a JWK set/],
  ])('%s is refused', (_name, jwks, why) => expect(readClientKeys(jwks)).toMatch(why));
});

test('keys are fetched by https, or in development from this machine', () => {
  for (const uri of ['https://app.example/keys?v=1', 'http://127.0.0.1:8080/keys', 'http://localhost/keys'])
    expect(isJwksUri(uri), uri).toBe(true);
  for (const uri of [
    ...'http://app.example/keys ftp://app.example/keys https://user@app.example/keys'.split(' '),
    ...'https://:secret@app.example/keys https://app.example/keys# https://app.example/keys#x'.split(' '),
    'https://app.example/a b',
    'https://',
    `https://app.example/${'x'.repeat(512)}`,
  ])
    expect(isJwksUri(uri), uri).toBe(false);
});
