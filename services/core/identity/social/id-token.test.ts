import type { OAuthProvider } from '@better-auth/core/oauth2';
import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { assertSameSubject, checkIdToken } from './id-token.ts';

const ISSUER = 'https://login.example.test';
const NONCE = 'n'.repeat(43);
let key: CryptoKey;
let other: CryptoKey;
let openId: OAuthProvider;
const withoutTokens = { id: 'forge' } as unknown as OAuthProvider;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  [key, other] = [pair.privateKey, (await generateKeyPair('ES256')).privateKey];
  const jwks = createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), alg: 'ES256' }] });
  openId = {
    id: 'company',
    idToken: { jwks, issuer: ISSUER, audience: 'us', algorithms: ['ES256'] },
  } as unknown as OAuthProvider;
});

const now = (): number => Math.floor(Date.now() / 1_000);
const signed = (claims: JWTPayload = {}, by = key): Promise<string> =>
  new SignJWT({ iss: ISSUER, aud: 'us', sub: 'a1', iat: now(), exp: now() + 600, ...claims })
    .setProtectedHeader({ alg: 'ES256' })
    .sign(by);

const check = (provider: OAuthProvider, idToken: string | undefined, isNonceNeeded: boolean): Promise<unknown> =>
  checkIdToken(provider, idToken, { clientId: 'us', nonce: NONCE, isNonceNeeded });
const refused = { code: 'social_sign_in_refused' };

describe('an ID token', () => {
  test.each([true, false])('of this attempt is accepted (nonce required: %s)', async (isNeeded) => {
    await expect(check(openId, await signed({ nonce: NONCE }), isNeeded)).resolves.toBe('a1');
  });

  test.each([true, false])('of another attempt is rejected (nonce required: %s)', async (isNeeded) => {
    for (const nonce of ['m'.repeat(43), '', 7])
      await expect(check(openId, await signed({ nonce }), isNeeded), String(nonce)).rejects.toMatchObject(refused);
  });

  test('an ID token without a nonce is accepted only if none is required (CVE-2026-15612, Logto: an ID token without a nonce was accepted)', async () => {
    await expect(check(openId, await signed(), false)).resolves.toBe('a1');
    await expect(check(openId, await signed(), true)).rejects.toMatchObject(refused);
  });

  test.each<[string, () => Promise<string>]>([
    ['signed by another key', () => signed({ nonce: NONCE }, other)],
    ['of another issuer', () => signed({ nonce: NONCE, iss: 'https://evil.example' })],
    ['for another client', () => signed({ nonce: NONCE, aud: 'them' })],
    ['that has expired', () => signed({ nonce: NONCE, exp: 1 })],
    ['that is not a JWT', async () => 'no.token.here'],
    ['without claims', async () => ''],
  ])('%s is refused', async (_what, made) => {
    for (const isNeeded of [true, false])
      await expect(check(openId, await made(), isNeeded)).rejects.toMatchObject(refused);
  });
});

// OpenID Connect Core §2 and §3.1.3.7, steps 3 to 5, 9 and 10.
describe('claims of an ID token', () => {
  test.each<[string, object]>([
    ['a subject that is a number', { sub: 7 }],
    ['an empty subject', { sub: '' }],
    ['no subject', { sub: undefined }],
    ['a subject longer than 255 characters', { sub: 'a'.repeat(256) }],
    ['a subject that is not ASCII', { sub: 'a\u212a' }],
    ['a subject with NUL', { sub: 'a\0' }],
    ['no expiry', { exp: undefined }],
    ['an expiry out of range', { exp: Number.MAX_VALUE }],
    ['no time of issue', { iat: undefined }],
    ['a time of issue in the future', { iat: now() + 4_000 }],
    ['a time of issue out of range', { iat: -1 }],
    ['an expiry before the time of issue', { iat: now() + 30, exp: now() + 20 }],
    ['another authorized party', { azp: 'other' }],
    ['another authorized party among several audiences', { aud: ['us', 'other'], azp: 'other' }],
    ['several audiences and no authorized party', { aud: ['us', 'other'] }],
    ['a malformed authorized party', { azp: ['us'] }],
  ])('%s is refused', async (_what, claims) => {
    const made = await signed({ nonce: NONCE, ...(claims as JWTPayload) });
    await expect(check(openId, made, true)).rejects.toMatchObject(refused);
  });

  test.each<[string, object]>([
    ['one audience in a list', { aud: ['us'] }],
    ['our client id as the authorized party', { azp: 'us' }],
    ['several audiences and our client id as the authorized party', { aud: ['us', 'other'], azp: 'us' }],
    ['a provider whose clock is a little ahead', { iat: now() + 20 }],
  ])('%s passes', async (_what, claims) => {
    const made = await signed({ nonce: NONCE, ...(claims as JWTPayload) });
    await expect(check(openId, made, true)).resolves.toBe('a1');
  });
});

test('user info of another subject than the ID token is refused; without a subject on either side nothing is compared', () => {
  for (const userInfo of [{ sub: 'a2' }, { sub: '' }, { sub: null }, { sub: 7 }])
    expect(() => assertSameSubject('a1', userInfo)).toThrow(expect.objectContaining(refused));
  for (const [subject, userInfo] of [
    ['a1', { sub: 'a1' }],
    ['a1', {}],
    ['a1', undefined],
    [null, { sub: 'a2' }],
  ] as const)
    expect(() => assertSameSubject(subject, userInfo)).not.toThrow();
});

test('an ID token that is not a JWT is rejected, even if the provider may issue such tokens', async () => {
  const opaque = { ...openId, idToken: { ...openId.idToken, allowOpaqueToken: true } } as OAuthProvider;
  await expect(check(opaque, 'an opaque token', false)).rejects.toMatchObject(refused);
});

test('without an ID token or keys to verify it, a provider that must return a nonce is refused', async () => {
  for (const [provider, idToken] of [
    [openId, undefined],
    [withoutTokens, undefined],
    [withoutTokens, await signed({ nonce: NONCE })],
  ] as const) {
    await expect(check(provider, idToken, false)).resolves.toBeNull();
    await expect(check(provider, idToken, true)).rejects.toMatchObject(refused);
  }
});
