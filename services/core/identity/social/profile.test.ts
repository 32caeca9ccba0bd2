import { expect, test } from 'vitest';
import { type GivenProfile, profileOf } from './profile.ts';

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
