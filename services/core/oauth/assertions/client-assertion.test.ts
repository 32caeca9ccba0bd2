import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { describe, expect, test } from 'vitest';
import { ASSERTION_TYPE } from '#services/core/access/assertion-shapes.ts';
import { ASSERTION_ALGORITHMS, FAPI_ALGORITHMS } from '#services/core/access/client-auth-shapes.ts';
import { type AssertionChanges, newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { claimsProblem, type ReadAssertion, readAssertion, verifyAssertionSignature } from './client-assertion.ts';

const NOW = 1_800_000_000;
const ISSUER = 'https://issuer.example';
const maker = newAssertionMaker('ES256', () => NOW);
const made = (changes: AssertionChanges = {}) => maker.assertion('c', ISSUER, changes);
const read = (assertion: unknown, clientId?: unknown, type: unknown = ASSERTION_TYPE) =>
  readAssertion({ type, assertion, clientId });
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const raw = (header: unknown, claims: unknown, signature = 'AAAA') =>
  `${encode(header)}.${encode(claims)}.${signature}`;
const keysOf = (...jwks: readonly object[]) => createLocalJWKSet({ keys: jwks } as JSONWebKeySet);

describe('reading an assertion', () => {
  test('names the client by its sub, which the form may repeat', async () => {
    const text = await made();
    for (const named of [undefined, '', 'c'])
      expect(read(text, named)).toMatchObject({ clientId: 'c', text, hasKid: true });
    expect(read(await made({ header: { kid: undefined } }))?.hasKid).toBe(false);
    expect(claimsProblem(read(text, 'other') as ReadAssertion, { issuer: ISSUER, now: NOW })).toMatch(/^iss and sub/);
    expect(read(text, ['c'])).toBeNull();
  });

  test('accepts the types of a client assertion alone, so that no other token authenticates a client', async () => {
    for (const typ of ['JWT', 'jwt', 'application/jwt', 'client-authentication+jwt'])
      expect(read(await made({ header: { typ } })), typ).not.toBeNull();
    for (const typ of ['at+jwt', 'dpop+jwt', 'logout+jwt', '', 7])
      expect(read(await made({ header: { typ } })), String(typ)).toBeNull();
  });

  test('refuses another type of assertion, and text that is no signed token', async () => {
    const text = await made();
    expect(read(text, 'c', 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer')).toBeNull();
    expect(read(text, 'c', null)).toBeNull();
    const header = { alg: 'ES256' };
    for (const bad of [
      undefined,
      7,
      '',
      'x',
      `${text}.x`,
      `${text}=`,
      raw(header, '[]'),
      raw('[]', { sub: 'c' }),
      raw(header, { sub: 7 }),
      raw(header, { iss: 'c' }),
      raw(header, '{"sub":"c","sub":"d"}'),
      raw(header, { sub: 'c' }, ''),
      raw({ ...header, crit: ['x'] }, { sub: 'c' }),
      `${encode(header)}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.AAAA`,
      raw(header, { sub: 'c', pad: 'x'.repeat(8_192) }),
    ])
      expect(read(bad), String(bad).slice(0, 60)).toBeNull();
  });
});

describe('the signature of an assertion', () => {
  test.each(['ES256', 'EdDSA', 'PS256', 'RS256'] as const)('%s is verified by the key that kid names', async (alg) => {
    const signer = newAssertionMaker(alg);
    const text = await signer.assertion('c', ISSUER);
    const keys = keysOf(maker.jwk, signer.jwk);
    expect(await verifyAssertionSignature(text, keys, ASSERTION_ALGORITHMS)).toBe('ok');
    const isFapi = alg !== 'RS256';
    expect(await verifyAssertionSignature(text, keys, FAPI_ALGORITHMS)).toBe(isFapi ? 'ok' : 'invalid');
  });

  test('without kid, each key of the kind is tried', async () => {
    const others = [newAssertionMaker(), newAssertionMaker()];
    const text = await made({ header: { kid: undefined } });
    const keys = keysOf(...others.map(({ jwk }) => jwk));
    expect(await verifyAssertionSignature(text, keysOf(others[0]!.jwk, maker.jwk), ASSERTION_ALGORITHMS)).toBe('ok');
    expect(await verifyAssertionSignature(text, keys, ASSERTION_ALGORITHMS)).toBe('invalid');
  });

  test('a key that the set does not have is told from a signature that does not verify', async () => {
    const stranger = newAssertionMaker();
    expect(await verifyAssertionSignature(await made(), keysOf(stranger.jwk), ASSERTION_ALGORITHMS)).toBe(
      'unknown-key',
    );
    const forged = await made({ key: stranger.privateKey });
    expect(await verifyAssertionSignature(forged, keysOf(maker.jwk), ASSERTION_ALGORITHMS)).toBe('invalid');
  });

  test('alg none and a secret made of the public key are refused', async () => {
    const keys = keysOf(maker.jwk);
    const shared = Buffer.from(JSON.stringify(maker.jwk));
    for (const text of [
      raw({ alg: 'none', kid: maker.jwk.kid }, { sub: 'c' }),
      await made({ header: { alg: 'HS256' }, key: shared }),
    ])
      expect(await verifyAssertionSignature(text, keys, ASSERTION_ALGORITHMS)).toBe('invalid');
  });
});

describe('the claims of an assertion', () => {
  const problem = async (claims: Record<string, unknown>) =>
    claimsProblem(read(await made({ claims })) as ReadAssertion, { issuer: ISSUER, now: NOW });

  test('the issuer as one string, an end within ten minutes and a clock 10 s ahead are accepted', async () => {
    expect(await problem({})).toBeNull();
    expect(await problem({ iat: undefined })).toBeNull();
    expect(await problem({ iat: NOW + 10, nbf: NOW + 10, exp: NOW + 610 })).toBeNull();
    expect(await problem({ exp: NOW + 1, jti: 'x'.repeat(256) })).toBeNull();
  });

  test.each([
    ['another issuer', { iss: 'other' }, /iss/],
    ['no issuer', { iss: undefined }, /iss/],
    ['the audience as a list', { aud: [ISSUER] }, /aud/],
    ['the token endpoint as audience', { aud: `${ISSUER}/oauth2/token` }, /aud/],
    ['the issuer with a slash', { aud: `${ISSUER}/` }, /aud/],
    ['no audience', { aud: undefined }, /aud/],
    ['no end', { exp: undefined }, /exp/],
    ['an end that is no number', { exp: String(NOW + 60) }, /exp/],
    ['an end now', { exp: NOW }, /exp/],
    ['an end five minutes ago', { exp: NOW - 300 }, /exp/],
    ['an end too far ahead', { exp: NOW + 611 }, /ahead/],
    ['made 11 s in the future', { iat: NOW + 11 }, /iat/],
    ['made 60 s in the future', { iat: NOW + 60 }, /iat/],
    ['valid from 60 s in the future', { nbf: NOW + 60 }, /nbf/],
    ['a beginning that is no number', { nbf: String(NOW) }, /nbf/],
    ['no jti', { jti: undefined }, /jti/],
    ['an empty jti', { jti: '' }, /jti/],
    ['an endless jti', { jti: 'x'.repeat(257) }, /jti/],
    ['a jti that is no text', { jti: 7 }, /jti/],
  ])('%s is refused', async (_name, claims, why) => expect(await problem(claims)).toMatch(why));
});
