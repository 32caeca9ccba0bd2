import { describe, expect, test } from 'vitest';
import { isLoopbackUrl, webhookKeyOf } from './legacy.ts';
import { ConfigError, loadConfig } from './load.ts';

const GOOD = {
  LEGACY_ISSUER: 'https://old.example',
  LEGACY_JWKS_URI: 'https://old.example/jwks',
  LEGACY_AUDIENCE: 'https://app.example, mobile',
  LEGACY_BRIDGE_UNTIL: '2027-01-31T00:00:00Z',
};
const STAGING = {
  SALLYPORT_PROFILE: 'staging',
  BETTER_AUTH_SECRET: 'a secret of this installation alone',
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
};

function refusalOf(env: Record<string, string>): string {
  try {
    loadConfig(env);
    return '';
  } catch (err) {
    return err instanceof ConfigError ? err.message : 'another error';
  }
}

test('the old provider is read from its settings, and nothing is read without them', () => {
  expect(loadConfig(GOOD).legacy).toMatchObject({
    issuer: 'https://old.example',
    audiences: ['https://app.example', 'mobile'],
    bridgeUntil: new Date('2027-01-31T00:00:00Z'),
  });
  expect(loadConfig({ LEGACY_BRIDGE_UNTIL: '', LEGACY_PROVIDER: '' }).legacy).toMatchObject({
    issuer: undefined,
    bridgeUntil: undefined,
    provider: undefined,
    audiences: [],
  });
});

describe('a start is refused, with the variable and the fix,', () => {
  const secret = 's'.repeat(32);
  const cases: [string, Record<string, string>, RegExp][] = [
    ['for keys without an issuer', { LEGACY_JWKS_URI: 'https://old.example/jwks' }, /LEGACY_JWKS_URI: is set without/],
    ['for an end without an issuer', { LEGACY_BRIDGE_UNTIL: GOOD.LEGACY_BRIDGE_UNTIL }, /LEGACY_BRIDGE_UNTIL: is set/],
    ['for an issuer without keys', { ...GOOD, LEGACY_JWKS_URI: '' }, /LEGACY_ISSUER: is set, but neither/],
    ['for two ways to sign', { ...GOOD, LEGACY_SHARED_SECRET: secret }, /LEGACY_SHARED_SECRET: is set beside/],
    ['without an audience', { ...GOOD, LEGACY_AUDIENCE: '' }, /LEGACY_AUDIENCE: is not set/],
    ['for our own issuer', { ...GOOD, JWT_ISSUER: GOOD.LEGACY_ISSUER }, /LEGACY_ISSUER: is the issuer of this/],
    ['for keys by http', { ...GOOD, LEGACY_JWKS_URI: 'http://old.example/jwks' }, /LEGACY_JWKS_URI: is not https/],
    [
      'for keys of this machine by http outside development',
      { ...STAGING, ...GOOD, LEGACY_JWKS_URI: 'http://127.0.0.1:1/jwks' },
      /LEGACY_JWKS_URI: is not https/,
    ],
    [
      'for a short secret outside development',
      { ...STAGING, ...GOOD, LEGACY_JWKS_URI: '', LEGACY_SHARED_SECRET: 'short' },
      /LEGACY_SHARED_SECRET: is shorter than 32 bytes/,
    ],
    [
      'for a short secret of webhooks outside development',
      { ...STAGING, LEGACY_WEBHOOK_SECRET: `whsec_${Buffer.alloc(16).toString('base64')}` },
      /LEGACY_WEBHOOK_SECRET: has fewer than 24 bytes/,
    ],
    [
      'for a secret that is ours',
      { BETTER_AUTH_SECRET: secret, LEGACY_WEBHOOK_SECRET: secret },
      /LEGACY_WEBHOOK_SECRET: is a secret of this installation/,
    ],
    [
      'for passwords by http',
      { LEGACY_PASSWORD_URL: 'http://old.example/password', LEGACY_PASSWORD_SECRET: secret },
      /LEGACY_PASSWORD_URL: is not https/,
    ],
    [
      'for passwords without a secret',
      { LEGACY_PASSWORD_URL: 'http://127.0.0.1:1/' },
      /LEGACY_PASSWORD_SECRET: is not set/,
    ],
    ['for a secret without passwords', { LEGACY_PASSWORD_SECRET: secret }, /LEGACY_PASSWORD_SECRET: is set without/],
    ['for a time that is none', { ...GOOD, LEGACY_BRIDGE_UNTIL: 'tomorrow' }, /LEGACY_BRIDGE_UNTIL: must be a time/],
    ['for a day that is none', { ...GOOD, LEGACY_BRIDGE_UNTIL: '2027-13-41T00:00:00Z' }, /LEGACY_BRIDGE_UNTIL/],
    ['for a kind that is none', { ...GOOD, LEGACY_PROVIDER: 'Our Clerk' }, /LEGACY_PROVIDER: must be the kind/],
  ];
  test.each(cases)('%s', (_what, env, expected) => expect(refusalOf(env)).toMatch(expected));

  test('and not for keys of this machine by http, or a short secret, in development', () => {
    expect(refusalOf({ ...GOOD, LEGACY_JWKS_URI: 'http://localhost:4000/jwks' })).toBe('');
    expect(refusalOf({ ...GOOD, LEGACY_JWKS_URI: '', LEGACY_SHARED_SECRET: 'short' })).toBe('');
    expect(refusalOf({ ...STAGING, ...GOOD, LEGACY_WEBHOOK_SECRET: secret })).toBe('');
  });
});

test('a secret of webhooks is Base64 behind whsec_, or a text', () => {
  expect(webhookKeyOf('whsec_AQID')).toEqual(Buffer.from([1, 2, 3]));
  expect(webhookKeyOf('text')).toEqual(Buffer.from('text'));
});

test('only names and addresses of this machine are loopback', () => {
  expect(['http://127.0.0.1:1/', 'http://[::1]/', 'http://localhost/'].map(isLoopbackUrl)).toEqual([true, true, true]);
  expect(isLoopbackUrl('http://127.0.0.1.example/')).toBe(false);
});
