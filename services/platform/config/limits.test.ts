import { describe, expect, test } from 'vitest';
import { rateLimitProfileOf, unresolvedAddressWarning } from './limits.ts';
import { ConfigError, loadConfig } from './load.ts';

const limitsOf = (env: Record<string, string>) => loadConfig(env).limits;

describe('rate limits as configured', () => {
  test('the limits have their documented defaults, and each can be set', () => {
    expect(limitsOf({})).toEqual({
      profile: undefined,
      globalPerSecond: 5_000,
      userPerMinute: 300,
      roleFactors: new Map(),
      addressPerMinute: 600,
      credentialPerMinute: 10,
      tokenPerMinute: 6_000,
      validatePerMinute: 60_000,
      logPerMinute: 3_000,
      clientPerMinute: 6_000,
      streamsPerClient: 20,
      openSignOffsPerRequester: 50,
    });
    expect(limitsOf({ RATE_LIMIT_GLOBAL_PER_SECOND: '1' }).globalPerSecond).toBe(1);
    expect(limitsOf({ RATE_LIMIT_PROFILE: 'load', SALLYPORT_PROFILE: 'development' }).profile).toBe('load');
  });

  test('no limit can be switched off by a setting', () => {
    for (const value of ['0', '-1', 'none', 'Infinity'])
      expect(() => limitsOf({ RATE_LIMIT_CREDENTIAL_PER_MINUTE: value }), value).toThrow(ConfigError);
  });

  test('role factors are pairs of a role and a number; any other value is refused', () => {
    expect([...limitsOf({ RATE_LIMIT_ROLE_FACTORS: 'agent=5, operator=0.5' }).roleFactors]).toEqual([
      ['agent', 5],
      ['operator', 0.5],
    ]);
    for (const value of ['agent', 'agent=0', 'agent=-2', 'agent=1001', '=2', 'agent=2=3', 'Agent=2'])
      expect(() => limitsOf({ RATE_LIMIT_ROLE_FACTORS: value }), value).toThrow(/RATE_LIMIT_ROLE_FACTORS/);
  });
});

test('limits are generous for a developer unless the operator says otherwise', () => {
  const profileOf = (env: Record<string, string>) => rateLimitProfileOf(loadConfig(env));
  expect(profileOf({})).toBe('development');
  expect(profileOf({ RATE_LIMIT_PROFILE: '' })).toBe('development');
  expect(profileOf({ RATE_LIMIT_PROFILE: 'default' })).toBe('default');
  const secrets = { BETTER_AUTH_SECRET: 'b'.repeat(43), KEY_ENCRYPTION_KEY: 'a'.repeat(44) };
  expect(profileOf({ SALLYPORT_PROFILE: 'staging', ...secrets })).toBe('default');
  expect(() => profileOf({ RATE_LIMIT_PROFILE: 'none' })).toThrow(
    'RATE_LIMIT_PROFILE: must be default, development or load',
  );
});

test('production without TRUSTED_PROXIES gets a warning that all clients behind a proxy share one address', () => {
  expect(unresolvedAddressWarning({ profile: 'production', trustedProxies: [] })).toContain('set TRUSTED_PROXIES');
  expect(unresolvedAddressWarning({ profile: 'production', trustedProxies: ['10.0.0.1'] })).toBeNull();
  expect(unresolvedAddressWarning({ profile: 'development', trustedProxies: [] })).toBeNull();
});
