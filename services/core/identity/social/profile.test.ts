import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createVault } from '#services/platform/crypto/vault.ts';
import { browserSecretCookie, browserSecretFor, browserSecretIn, hashOf, isBrowser } from './browser-secret.ts';
import { type GivenProfile, type Profile, profileOf } from './profile.ts';
import { accountValuesOf } from './provider-tokens.ts';
import { returnAddress } from './return-address.ts';

const given: GivenProfile = {
  subject: 'a1',
  email: 'ada@people.test',
  emailVerified: true,
  name: 'Ada',
  tokens: { accessToken: 'access', scopes: ['openid'], raw: { access_token: 'access' } },
};
const shaped = (changes: Partial<GivenProfile>) => profileOf('company', { ...given, ...changes });

test('a profile contains what the account needs, and nothing else of the answer', () =>
  expect(shaped({})).toEqual({
    providerId: 'company',
    accountId: 'a1',
    email: 'ada@people.test',
    isEmailVerified: true,
    name: 'Ada',
    tokens: { accessToken: 'access', scopes: ['openid'] },
  }));

test('values that a provider omits stay empty; an account id may be a number', () => {
  const nothing = { email: undefined, emailVerified: undefined, name: null, tokens: {} };
  expect(shaped({ ...nothing, subject: 7 })).toEqual({
    providerId: 'company',
    accountId: '7',
    email: null,
    isEmailVerified: false,
    name: '',
    tokens: {},
  });
  expect(shaped({ emailVerified: 'true' }).isEmailVerified).toBe(true);
  for (const no of ['false', 'True', 1, {}]) expect(shaped({ emailVerified: no }).isEmailVerified).toBe(false);
});

test('a null scope is empty', () =>
  expect(shaped({ tokens: { scopes: [null] as never } }).tokens).toEqual({ scopes: [''] }));

test('a long name is truncated, never within a character', () => {
  expect(shaped({ name: 'a'.repeat(200) }).name).toBe('a'.repeat(128));
  expect(shaped({ name: `${'a'.repeat(127)}\u{1f600}` }).name).toBe('a'.repeat(127));
});

test.each<[string, Partial<GivenProfile>]>([
  ['no subject', { subject: undefined }],
  ['an empty subject', { subject: '' }],
  ['a subject with NUL', { subject: 'a\0' }],
  ['a subject that is negative zero', { subject: -0 }],
  ['a subject that a program rounded', { subject: '9.00720E+15' }],
  ['a subject of more digits than a number holds', { subject: 2 ** 53 }],
  ['a subject too long for its column', { subject: 'a'.repeat(256) }],
  ['a subject that is a fraction', { subject: 1.5 }],
  ['a subject that is a list', { subject: ['a1'] }],
  ['an address that is a list', { email: ['ada@people.test'] }],
  ['an address that is an object', { email: { toString: () => 'ada@people.test' } }],
  ['an address with NUL', { email: 'ada\0@people.test' }],
  ['an oversized address', { email: `${'a'.repeat(1_024)}@people.test` }],
  ['a name that is an object', { name: { given: 'Ada' } }],
  ['a name with NUL', { name: 'A\0da' }],
  ['a name with an unpaired surrogate', { name: 'A\ud800da' }],
  ['a token that is a number', { tokens: { accessToken: 7 } }],
  ['a token with a line break', { tokens: { refreshToken: 'a\nb' } }],
  ['scopes that are not a list', { tokens: { scopes: 'openid' } }],
  ['a scope with NUL', { tokens: { scopes: ['open\0id'] } }],
  ['an invalid expiry', { tokens: { accessTokenExpiresAt: new Date(Number.NaN) } }],
  ['an expiry that is a number', { tokens: { refreshTokenExpiresAt: 60 } }],
])(
  'rejects a malformed profile of a provider: %s (CVE-2026-82968, Keycloak: accounts without an id were all linked to one user)',
  (_what, changes) =>
    expect(() => shaped(changes)).toThrow(expect.objectContaining({ code: 'social_sign_in_refused' })),
);

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

const own = randomBytes(32).toString('base64url');
const random = { bytes: randomBytes };
const auth = (secureCookies: boolean) => ({
  browser: { sessionCookie: 'session', trustedOrigins: new Set<string>(), secureCookies },
});

test('outside of development the secret of a browser is bound to its host and never sent in clear', () => {
  const [secure, plain] = [browserSecretCookie(auth(true), own), browserSecretCookie(auth(false), own)];
  expect(secure).toBe(`__Host-sallyport.social=${own}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure`);
  expect(plain).toBe(`sallyport.social=${own}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax`);
  expect(browserSecretIn(auth(true), secure.split(';', 1)[0])).toBe(own);
  // A cookie without the prefix may have been set by another host of the same domain.
  expect(browserSecretIn(auth(true), plain.split(';', 1)[0])).toBeNull();
});

test('tabs of a browser share its secret; a malformed secret is replaced', () => {
  const ports = { auth: auth(false), random };
  expect(browserSecretFor(ports, `sallyport.social=${own}`)).toBe(own);
  for (const cookie of [undefined, 'other=1', 'sallyport.social=', `sallyport.social=${own}x`]) {
    const made = browserSecretFor(ports, cookie);
    expect(made).toMatch(/^[\w-]{43}$/);
    expect(made).not.toBe(own);
    expect(isBrowser(made, hashOf('browser', own))).toBe(false);
  }
  expect(isBrowser(own, hashOf('browser', own))).toBe(true);
});

const OWN = 'https://own.test';
const browser = { trustedOrigins: new Set([OWN, 'https://listed.test']) };

test('accepts a path of ours or an address on a listed origin, and does not change it', () => {
  for (const good of ['/', '/welcome', '/a?next=//evil.test', '/a/../b#c', '/@evil.test'])
    expect(returnAddress(browser, OWN, good)).toBe(good);
  expect(returnAddress(browser, OWN, 'https://listed.test/a?b=c')).toBe('https://listed.test/a?b=c');
});

test.each([
  '',
  ...'//evil.test ///evil.test /\\evil.test \\\\evil.test /\t/evil.test /\n/evil.test'.split(' '),
  ' /welcome',
  ...'welcome https://evil.test https://listed.test.evil.test/ https://listed.test@evil.test/'.split(' '),
  ...'https://user:pass@listed.test/ http://listed.test/ https://listed.test:8443/ javascript:alert(1)'.split(' '),
  ...'data:text/html,x null'.split(' '),
])(
  'rejects the open redirect %j (CVE-2025-27143, Better Auth: a return address without a scheme led to another site)',
  (asked) => expect(() => returnAddress(browser, OWN, asked)).toThrow('callback_refused'),
);
