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

test('a profile has what its account needs, and no more of the answer', () => {
  expect(shaped({})).toEqual({
    providerId: 'company',
    accountId: 'a1',
    email: 'ada@people.test',
    isEmailVerified: true,
    name: 'Ada',
    tokens: { accessToken: 'access', scopes: ['openid'] },
  });
});

test('what a provider leaves out is not made up; an account may have a number for a name', () => {
  const nothing = { email: undefined, emailVerified: undefined, name: null, tokens: {} };
  expect(shaped({ ...nothing, subject: 7 })).toEqual({
    providerId: 'company',
    accountId: '7',
    email: null,
    isEmailVerified: false,
    name: '',
    tokens: {},
  });
  expect(shaped({ emailVerified: 'true' }).isEmailVerified).toBe(false);
});

test('a scope that is null is an empty one', () => {
  expect(shaped({ tokens: { scopes: [null] as never } }).tokens).toEqual({ scopes: [''] });
});

test('a long name is cut, never within a character', () => {
  expect(shaped({ name: 'a'.repeat(200) }).name).toBe('a'.repeat(128));
  expect(shaped({ name: `${'a'.repeat(127)}\u{1f600}` }).name).toBe('a'.repeat(127));
});

test.each<[string, Partial<GivenProfile>]>([
  ['no subject', { subject: undefined }],
  ['an empty subject', { subject: '' }],
  ['a subject with NUL', { subject: 'a\0' }],
  ['a subject that no row takes', { subject: 'a'.repeat(256) }],
  ['a subject that is a fraction', { subject: 1.5 }],
  ['a subject that is a list', { subject: ['a1'] }],
  ['an address that is a list', { email: ['ada@people.test'] }],
  ['an address that is an object', { email: { toString: () => 'ada@people.test' } }],
  ['an address with NUL', { email: 'ada\0@people.test' }],
  ['an address without end', { email: `${'a'.repeat(1_024)}@people.test` }],
  ['a name that is an object', { name: { given: 'Ada' } }],
  ['a name with NUL', { name: 'A\0da' }],
  ['a name with half a character', { name: 'A\ud800da' }],
  ['a token that is a number', { tokens: { accessToken: 7 } }],
  ['a token with a line break', { tokens: { refreshToken: 'a\nb' } }],
  ['scopes that are no list', { tokens: { scopes: 'openid' } }],
  ['a scope with NUL', { tokens: { scopes: ['open\0id'] } }],
  ['a life that is no time', { tokens: { accessTokenExpiresAt: new Date(Number.NaN) } }],
  ['a life that is a number', { tokens: { refreshTokenExpiresAt: 60 } }],
])('%s is refused', (_what, changes) => {
  expect(() => shaped(changes)).toThrow(expect.objectContaining({ code: 'social_sign_in_refused' }));
});
