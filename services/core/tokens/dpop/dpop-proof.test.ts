import { createHash, generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { newProofMaker, type ProofChanges } from '#tools/testing/fakes/dpop.ts';
import { dpopNonce, isDpopNonce } from './dpop-nonce.ts';
import { checkDpopProof, createProofKeyCache, type DpopExpectations } from './dpop-proof.ts';

const NOW = 1_800_000_000;
const HTU = 'https://api.test/oauth2/token';
const expected: DpopExpectations = { htm: 'POST', htu: HTU, now: NOW, leewaySeconds: 5 };
const maker = newProofMaker('ES256', () => NOW);
const proofKeys = createProofKeyCache();
const check = (proof: string, changes: Partial<DpopExpectations> = {}) =>
  checkDpopProof(proofKeys, proof, { ...expected, ...changes });
const proofWith = (changes: ProofChanges = {}, htu = HTU) => maker.proof('POST', htu, changes);

describe('a DPoP proof of possession (RFC 9449 §4.3)', () => {
  test.each(['ES256', 'EdDSA', 'RS256'] as const)('%s: its key is known by the thumbprint of RFC 7638', async (alg) => {
    const { jwk, proof } = newProofMaker(alg, () => NOW);
    const held = check(proof('POST', HTU, { nonce: 'n' }));
    expect(held).toMatchObject({ jkt: await calculateJwkThumbprint(jwk as JWK), iat: NOW, nonce: 'n' });
    expect(check(proof('POST', HTU))?.jkt, 'the same key again').toBe(held?.jkt);
  });

  test('htu is compared with the URL of the request without query and fragment, after normalisation', () => {
    for (const htu of [
      `${HTU}?x=1`,
      `${HTU}#x`,
      'HTTPS://API.test:443/oauth2/token',
      'https://api.test/./oauth2/token',
    ])
      expect(check(proofWith({}, htu)), htu).not.toBeNull();
    for (const htu of [
      'https://api.test/oauth2/token/',
      'http://api.test/oauth2/token',
      'https://evil.test/oauth2/token',
      '/oauth2/token',
      '',
    ])
      expect(check(proofWith({}, htu)), htu).toBeNull();
    expect(check(proofWith(), { htu: 'not an address' })).toBeNull();
  });

  test.each<[string, ProofChanges]>([
    ['typ JWT', { header: { typ: 'JWT' } }],
    ['no typ', { header: { typ: undefined } }],
    ['alg none', { header: { alg: 'none' } }],
    ['symmetric alg', { header: { alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } } }],
    ['alg of another kind of key', { header: { alg: 'RS256' } }],
    ['EdDSA over an EC key', { header: { alg: 'EdDSA' } }],
    ['no key', { header: { jwk: undefined } }],
    ['key is null', { header: { jwk: null } }],
    ['key is a list', { header: { jwk: [] } }],
    ['key is a text', { header: { jwk: 'x' } }],
    ['private key', { header: { jwk: maker.privateKey.export({ format: 'jwk' }) } }],
    ['another key', { header: { jwk: newProofMaker().jwk } }],
    ['no point of the curve', { header: { jwk: { ...maker.jwk, x: 'A'.repeat(43) } } }],
    ['coordinate too short', { header: { jwk: { ...maker.jwk, x: 'AAAA' } } }],
    ['another curve', { header: { jwk: { ...maker.jwk, crv: 'P-384' } } }],
    ['crit', { header: { crit: ['x'] } }],
    ['wrong method', { claims: { htm: 'GET' } }],
    ['method in lower case', { claims: { htm: 'post' } }],
    ['no method', { claims: { htm: undefined } }],
    ['address is no text', { claims: { htu: 1 } }],
    ['no jti', { claims: { jti: undefined } }],
    ['empty jti', { claims: { jti: '' } }],
    ['endless jti', { claims: { jti: 'x'.repeat(257) } }],
    ['nonce is no text', { claims: { nonce: 1 } }],
    ['no iat', { claims: { iat: undefined } }],
    ['iat is a text', { claims: { iat: String(NOW) } }],
    ['stale', { claims: { iat: NOW - 61 } }],
    ['from the future', { claims: { iat: NOW + 6 } }],
  ])('%s is refused', (_name, changes) => expect(check(proofWith(changes))).toBeNull());

  test('a proof may be one minute old, or ahead of our clock by the leeway', () => {
    expect(check(proofWith({ claims: { iat: NOW - 60 } }))).not.toBeNull();
    expect(check(proofWith({ claims: { iat: NOW + 5 } }))).not.toBeNull();
  });

  test('RSA keys that are too short, too long or have a long exponent are refused', () => {
    const rsa = newProofMaker('RS256', () => NOW);
    const short = generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey.export({ format: 'jwk' });
    const padded = Buffer.concat([Buffer.alloc(128), Buffer.from(short.n as string, 'base64url')]).toString(
      'base64url',
    );
    for (const jwk of [
      short,
      { ...short, n: padded },
      { ...rsa.jwk, n: 'A'.repeat(684) },
      { ...rsa.jwk, e: 'A'.repeat(9) },
      { ...rsa.jwk, n: 1 },
      { ...rsa.jwk, e: 1 },
    ])
      expect(check(rsa.proof('POST', HTU, { header: { jwk } }))).toBeNull();
  });

  test('a proof with an access token must have the hash of that token', () => {
    const proof = proofWith({ accessToken: 'token' });
    expect(check(proof, { accessToken: 'token' })).not.toBeNull();
    expect(check(proof, { accessToken: 'other' })).toBeNull();
    expect(check(proofWith(), { accessToken: 'token' })).toBeNull();
  });

  test('random text, two proofs in one header, other serialisations and changed bytes are refused', () => {
    const proof = proofWith();
    const [header = '', claims = '', signature = ''] = proof.split('.');
    const list = Buffer.from('[]').toString('base64url');
    const notUtf8 = Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url');
    for (const bad of [
      '',
      'x',
      `${proof}, ${proof}`,
      `${proof}.x`,
      `${header}.${claims}.`,
      `${header}=.${claims}.${signature}`,
      `${list}.${claims}.${signature}`,
      `${notUtf8}.${claims}.${signature}`,
      `${header}.${list}.${signature}`,
      'x'.repeat(8_193),
    ])
      expect(check(bad), bad.slice(0, 40)).toBeNull();
    const unreadable = maker.proof('POST', HTU);
    expect(
      check(unreadable.replace(/\.[^.]+$/, `.${createHash('sha512').update('x').digest('base64url')}`)),
    ).toBeNull();
  });

  test('claims that are not a JSON object are refused even if signed', () => {
    const { privateKey, jwk } = maker;
    const input = [{ typ: 'dpop+jwt', alg: 'ES256', jwk }, 'text']
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const { sign } = process.getBuiltinModule('node:crypto');
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    );
    expect(check(`${input}.${signature}`)).toBeNull();
  });

  test('at most a thousand keys are cached', () => {
    for (let index = 0; index < 1_001; index += 1) {
      const { proof } = newProofMaker('EdDSA', () => NOW);
      expect(check(proof('POST', HTU))).not.toBeNull();
    }
    expect(proofKeys.size).toBeLessThanOrEqual(1_000);
    expect(check(proofWith())).not.toBeNull();
  });
});

describe('nonces expire after some minutes and are valid on every copy', () => {
  const keys = new Map([
    [1, Buffer.alloc(32, 1)],
    [2, Buffer.alloc(32, 2)],
  ]);
  const at = (seconds: number, version = 1) => ({
    clock: { now: () => seconds * 1_000, monotonic: () => 0 },
    keyRing: {
      secret: () => ({ version, key: keys.get(version) as Buffer }),
      secretVersion: (_purpose: string, wanted: number) => keys.get(wanted),
    },
  });

  test('a nonce is accepted in its slot, in the next, and after a key rotation; not two slots later, or from the future', () => {
    const nonce = dpopNonce(at(1_200));
    for (const ports of [at(1_200), at(1_319), at(1_320), at(1_439), at(1_250, 2)])
      expect(isDpopNonce(ports, nonce)).toBe(true);
    for (const ports of [at(1_440), at(1_199)]) expect(isDpopNonce(ports, nonce)).toBe(false);
  });

  test('any other text is not a nonce', () => {
    const nonce = dpopNonce(at(1_200));
    for (const bad of ['', 'x', nonce.replace(/^1/, '2'), nonce.replace(/^1/, '3'), `${nonce}x`, nonce.slice(0, -1)])
      expect(isDpopNonce(at(1_200), bad), bad).toBe(false);
  });
});
