import type { OAuthProvider } from '@better-auth/core/oauth2';
import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkIdToken } from './id-token.ts';

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

const signed = (claims: JWTPayload = {}, by = key): Promise<string> =>
  new SignJWT({ iss: ISSUER, aud: 'us', sub: 'a1', exp: Math.floor(Date.now() / 1_000) + 600, ...claims })
    .setProtectedHeader({ alg: 'ES256' })
    .sign(by);

const judge = (provider: OAuthProvider, idToken: string | undefined, isNonceNeeded: boolean): Promise<void> =>
  checkIdToken(provider, idToken, { nonce: NONCE, isNonceNeeded });
const refused = { code: 'social_sign_in_refused' };

describe('an ID token', () => {
  test.each([true, false])('of this attempt passes (nonce needed: %s)', async (isNeeded) => {
    await expect(judge(openId, await signed({ nonce: NONCE }), isNeeded)).resolves.toBeUndefined();
  });

  test.each([true, false])('of another attempt is refused (nonce needed: %s)', async (isNeeded) => {
    for (const nonce of ['m'.repeat(43), '', 7])
      await expect(judge(openId, await signed({ nonce }), isNeeded), String(nonce)).rejects.toMatchObject(refused);
  });

  test('without a nonce passes only where none is needed', async () => {
    await expect(judge(openId, await signed(), false)).resolves.toBeUndefined();
    await expect(judge(openId, await signed(), true)).rejects.toMatchObject(refused);
  });

  test.each<[string, () => Promise<string>]>([
    ['by another key', () => signed({ nonce: NONCE }, other)],
    ['by another issuer', () => signed({ nonce: NONCE, iss: 'https://evil.example' })],
    ['for another client', () => signed({ nonce: NONCE, aud: 'them' })],
    ['of the past', () => signed({ nonce: NONCE, exp: 1 })],
    ['that is none', async () => 'no.token.here'],
    ['that says nothing', async () => ''],
  ])('%s is refused', async (_what, made) => {
    for (const isNeeded of [true, false])
      await expect(judge(openId, await made(), isNeeded)).rejects.toMatchObject(refused);
  });
});

test('where there is no ID token, or nobody to verify it by, a provider that must name a nonce is refused', async () => {
  for (const [provider, idToken] of [
    [openId, undefined],
    [withoutTokens, undefined],
    [withoutTokens, await signed({ nonce: NONCE })],
  ] as const) {
    await expect(judge(provider, idToken, false)).resolves.toBeUndefined();
    await expect(judge(provider, idToken, true)).rejects.toMatchObject(refused);
  }
});
