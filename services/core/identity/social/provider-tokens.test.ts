import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createVault } from '#services/platform/crypto/vault.ts';
import type { Profile } from './profile.ts';
import { accountValuesOf } from './provider-tokens.ts';

const key = randomBytes(32);
const keyRing = { secret: () => ({ version: 3, key }) };
const profile = (tokens: Profile['tokens']): Profile => ({
  providerId: 'company',
  accountId: 'a1',
  email: null,
  isEmailVerified: false,
  name: '',
  tokens,
});

test('seals each token under its key version, for its kind and its account only', () => {
  const ends = new Date(1_800_000_000_000);
  const values = accountValuesOf(
    { keyRing },
    profile({
      accessToken: 'access',
      refreshToken: 'refresh',
      idToken: 'id',
      scopes: ['openid', 'email'],
      accessTokenExpiresAt: ends,
      refreshTokenExpiresAt: ends,
    }),
  );
  expect(values).toMatchObject({
    providerId: 'company',
    accountId: 'a1',
    scope: 'openid email',
    accessTokenExpiresAt: ends,
    refreshTokenExpiresAt: ends,
  });
  const [version, sealed = ''] = (values.accessToken as string).split(/\.(.*)/s);
  expect(version).toBe('3');
  expect(createVault(key).open(sealed, 'provider token access company a1').toString()).toBe('access');
  for (const elsewhere of ['provider token refresh company a1', 'provider token access company a2'])
    expect(() => createVault(key).open(sealed, elsewhere)).toThrow();
});

test('stores null for omitted values, and seals nothing for them', () =>
  expect(accountValuesOf({ keyRing }, profile({}))).toEqual({
    providerId: 'company',
    accountId: 'a1',
    scope: null,
    accessToken: null,
    refreshToken: null,
    idToken: null,
    accessTokenExpiresAt: null,
    refreshTokenExpiresAt: null,
  }));

test('stores at most 2,048 characters of scopes', () => {
  const scopes = Array.from({ length: 500 }, (_, each) => `scope-${each}`);
  expect(accountValuesOf({ keyRing }, profile({ scopes })).scope).toHaveLength(2_048);
});
