import { describe, expect, test } from 'vitest';
import { outcomeOfCall } from '#tools/testing/outcome.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import {
  type AlgorithmChanges,
  algorithmsAfter,
  type ClientAlgorithms,
  PLAIN_SETTINGS,
  type ProfileChanges,
  settingsAfter,
} from './client-profile.ts';

const FAPI = {
  profile: 'fapi2',
  dpop_bound_access_tokens: true,
  tls_client_certificate_bound_access_tokens: false,
  require_pushed_authorization_requests: true,
  pkce: 'required',
  refresh_rotation: 'off',
} as const;

test('the profile fapi2 sets all that FAPI 2.0 requires, in one word', () => {
  expect(settingsAfter(PLAIN_SETTINGS, { profile: 'fapi2' }, 'private_key_jwt')).toEqual(FAPI);
  expect(settingsAfter({ ...PLAIN_SETTINGS, pkce: 'optional' }, { profile: 'fapi2' }, 'private_key_jwt')).toEqual(FAPI);
});

test('a client whose tokens are bound to a certificate needs no DPoP key', () => {
  const bound = { ...FAPI, dpop_bound_access_tokens: false, tls_client_certificate_bound_access_tokens: true };
  expect(
    settingsAfter(
      PLAIN_SETTINGS,
      { profile: 'fapi2', tls_client_certificate_bound_access_tokens: true },
      'private_key_jwt',
    ),
  ).toEqual(bound);
  expect(
    settingsAfter(
      { ...PLAIN_SETTINGS, tls_client_certificate_bound_access_tokens: true },
      { profile: 'fapi2' },
      'private_key_jwt',
    ),
  ).toEqual(bound);
});

test('tokens of a client that authenticates by certificate are bound to it, unless the change names a binding', () => {
  const after = (changes: ProfileChanges, before = PLAIN_SETTINGS) => {
    const { dpop_bound_access_tokens: dpopBound, tls_client_certificate_bound_access_tokens: certificateBound } =
      settingsAfter(before, { profile: 'fapi2', ...changes }, 'tls_client_auth');
    return { dpop_bound_access_tokens: dpopBound, tls_client_certificate_bound_access_tokens: certificateBound };
  };
  const [byKey, byCertificate] = [true, false].map((dpopBound) => ({
    dpop_bound_access_tokens: dpopBound,
    tls_client_certificate_bound_access_tokens: !dpopBound,
  }));
  expect(after({})).toEqual(byCertificate);
  expect(after({ dpop_bound_access_tokens: false })).toEqual(byCertificate);
  expect(after({ dpop_bound_access_tokens: true })).toEqual(byKey);
  expect(after({ tls_client_certificate_bound_access_tokens: false })).toEqual(byKey);
  expect(after({}, { ...PLAIN_SETTINGS, dpop_bound_access_tokens: true })).toEqual(byKey);
  expect(after({ dpop_bound_access_tokens: true, tls_client_certificate_bound_access_tokens: true })).toEqual({
    dpop_bound_access_tokens: true,
    tls_client_certificate_bound_access_tokens: true,
  });
});

const DEFAULT = { id_token_signed_response_alg: null, access_token_signed_response_alg: null } as const;
const ES256 = { id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'ES256' } as const;
const after = (
  before: ClientAlgorithms,
  changes: Parameters<typeof algorithmsAfter>[1],
  signed: Parameters<typeof algorithmsAfter>[2],
) => algorithmsAfter({ ...before, profile: 'default' }, changes, signed);

test('the profile fapi2 gives a client an algorithm that FAPI 2.0 allows, if one signs here and the change names none', () => {
  const fapi = { profile: 'fapi2' } as const;
  expect(after(DEFAULT, fapi, ['RS256', 'ES256', 'EdDSA'])).toEqual(ES256);
  const rs = { id_token_signed_response_alg: 'RS256', access_token_signed_response_alg: 'EdDSA' } as const;
  expect(after(rs, fapi, ['RS256', 'ES256'])).toEqual({ ...rs, id_token_signed_response_alg: 'ES256' });
  expect(after(rs, fapi, ['RS256'])).toEqual(rs);
  expect(after(DEFAULT, fapi, ['RS256'])).toEqual(DEFAULT);
});

test('any other change of a client changes only the algorithms that it names', () => {
  expect(after(DEFAULT, {}, ['ES256'])).toEqual(DEFAULT);
  expect(after(ES256, { profile: 'default', access_token_signed_response_alg: null }, ['RS256'])).toEqual({
    ...ES256,
    access_token_signed_response_alg: null,
  });
});

test('no change of a client of the profile fapi2 gives it the default of the installation, which may be RS256', () => {
  const own = { ...ES256, profile: 'fapi2' } as const;
  expect(algorithmsAfter(own, DEFAULT, ['RS256', 'ES256'])).toEqual(ES256);
  expect(after(DEFAULT, { ...DEFAULT, profile: 'fapi2' }, ['RS256', 'ES256'])).toEqual(ES256);
  expect(algorithmsAfter(own, DEFAULT, ['RS256'])).toEqual(DEFAULT);
  expect(algorithmsAfter(own, { ...DEFAULT, profile: 'default' }, ['RS256', 'ES256'])).toEqual(DEFAULT);
});

test('a change keeps what it does not name, and leaving the profile changes nothing else', () => {
  expect(settingsAfter(FAPI, { dpop_bound_access_tokens: undefined }, 'private_key_jwt')).toEqual(FAPI);
  expect(settingsAfter(FAPI, { profile: 'default' }, 'private_key_jwt')).toEqual({ ...FAPI, profile: 'default' });
  expect(settingsAfter(PLAIN_SETTINGS, { require_pushed_authorization_requests: true }, 'private_key_jwt')).toEqual({
    ...PLAIN_SETTINGS,
    require_pushed_authorization_requests: true,
  });
});

describe('a client of the profile fapi2', () => {
  const outcome = (changes: ProfileChanges & AlgorithmChanges, authMethod = 'private_key_jwt') =>
    outcomeOfCall(() =>
      assertSettingsAgree({
        ...settingsAfter(FAPI, changes, authMethod),
        ...after(DEFAULT, changes, []),
        auth_method: authMethod,
        origin: 'admin',
        workload: null,
        identity_assertions: null,
      }),
    );

  test('may be bound to a key, a certificate or both', () => {
    for (const changes of [
      {},
      { tls_client_certificate_bound_access_tokens: true },
      { tls_client_certificate_bound_access_tokens: true, dpop_bound_access_tokens: false },
    ])
      expect(outcome(changes)).toBe('ok');
  });

  test.each([
    ['no pushed requests', { require_pushed_authorization_requests: false }],
    ['no PKCE', { pkce: 'optional' }],
    ['rotation of refresh tokens', { refresh_rotation: 'on' }],
    ['tokens that are not bound', { dpop_bound_access_tokens: false }],
    ['ID tokens signed with RS256', { id_token_signed_response_alg: 'RS256' }],
    ['access tokens signed with RS256', { access_token_signed_response_alg: 'RS256' }],
  ] as const)('refuses %s, until it leaves the profile', (_name, changes) => {
    expect(outcome(changes)).toBe('client_settings_conflict');
    const alone = {
      ...changes,
      profile: 'default',
      require_pushed_authorization_requests: false,
      refresh_rotation: 'on',
    } as const;
    expect(outcome(alone)).toBe('ok');
  });

  test('refuses a secret, and a public client', () => {
    for (const method of ['client_secret_basic', 'none']) expect(outcome({}, method)).toBe('client_settings_conflict');
  });
});
