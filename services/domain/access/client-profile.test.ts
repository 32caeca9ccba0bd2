import { describe, expect, test } from 'vitest';
import { outcomeOfCall } from '#testing/outcome.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import { PLAIN_SETTINGS, type ProfileChanges, settingsAfter } from './client-profile.ts';

const FAPI = {
  profile: 'fapi2',
  dpopBound: true,
  certificateBound: false,
  pushesRequests: true,
  requiresPkce: true,
  rotatesRefreshTokens: false,
} as const;

test('the profile fapi2 sets all that FAPI 2.0 requires, in one word', () => {
  expect(settingsAfter(PLAIN_SETTINGS, { profile: 'fapi2' }, 'private_key_jwt')).toEqual(FAPI);
  expect(settingsAfter({ ...PLAIN_SETTINGS, requiresPkce: false }, { profile: 'fapi2' }, 'private_key_jwt')).toEqual(
    FAPI,
  );
});

test('a client whose tokens are bound to a certificate needs no DPoP key', () => {
  const bound = { ...FAPI, dpopBound: false, certificateBound: true };
  expect(settingsAfter(PLAIN_SETTINGS, { profile: 'fapi2', certificateBound: true }, 'private_key_jwt')).toEqual(bound);
  expect(settingsAfter({ ...PLAIN_SETTINGS, certificateBound: true }, { profile: 'fapi2' }, 'private_key_jwt')).toEqual(
    bound,
  );
});

test('tokens of a client that authenticates by certificate are bound to it, unless the change names a binding', () => {
  const after = (changes: ProfileChanges, before = PLAIN_SETTINGS) => {
    const { dpopBound, certificateBound } = settingsAfter(before, { profile: 'fapi2', ...changes }, 'tls_client_auth');
    return { dpopBound, certificateBound };
  };
  const [byKey, byCertificate] = [true, false].map((dpopBound) => ({ dpopBound, certificateBound: !dpopBound }));
  expect(after({})).toEqual(byCertificate);
  expect(after({ dpopBound: false })).toEqual(byCertificate);
  expect(after({ dpopBound: true })).toEqual(byKey);
  expect(after({ certificateBound: false })).toEqual(byKey);
  expect(after({}, { ...PLAIN_SETTINGS, dpopBound: true })).toEqual(byKey);
  expect(after({ dpopBound: true, certificateBound: true })).toEqual({ dpopBound: true, certificateBound: true });
});

test('a change keeps what it does not name, and leaving the profile changes nothing else', () => {
  expect(settingsAfter(FAPI, { dpopBound: undefined }, 'private_key_jwt')).toEqual(FAPI);
  expect(settingsAfter(FAPI, { profile: 'default' }, 'private_key_jwt')).toEqual({ ...FAPI, profile: 'default' });
  expect(settingsAfter(PLAIN_SETTINGS, { pushesRequests: true }, 'private_key_jwt')).toEqual({
    ...PLAIN_SETTINGS,
    pushesRequests: true,
  });
});

describe('a client of the profile fapi2', () => {
  const outcome = (changes: ProfileChanges, authMethod = 'private_key_jwt') =>
    outcomeOfCall(() =>
      assertSettingsAgree({ ...settingsAfter(FAPI, changes, authMethod), authMethod, origin: 'admin' }),
    );

  test('may be bound to a key, a certificate or both', () => {
    for (const changes of [{}, { certificateBound: true }, { certificateBound: true, dpopBound: false }])
      expect(outcome(changes)).toBe('ok');
  });

  test.each([
    ['no pushed requests', { pushesRequests: false }],
    ['no PKCE', { requiresPkce: false }],
    ['rotation of refresh tokens', { rotatesRefreshTokens: true }],
    ['tokens that are not bound', { dpopBound: false }],
  ])('refuses %s, until it leaves the profile', (_name, changes) => {
    expect(outcome(changes)).toBe('client_settings_conflict');
    const alone = { ...changes, profile: 'default', pushesRequests: false, rotatesRefreshTokens: true } as const;
    expect(outcome(alone)).toBe('ok');
  });

  test('refuses a secret, and a public client', () => {
    for (const method of ['client_secret_basic', 'none']) expect(outcome({}, method)).toBe('client_settings_conflict');
  });
});
