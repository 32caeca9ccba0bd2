import { expect, test } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { type TokenSecurityConfig, tokenSecurityConfigOf } from './token-types.ts';

test('the configuration is RS256, 900 s, 604,800 s, 30 days, with four switches, unless set', () => {
  const config: TokenSecurityConfig = tokenSecurityConfigOf(loadConfig({}), 'https://auth.test');
  expect(config).toEqual({
    algorithm: 'RS256',
    accessTokenExpiry: 900,
    refreshTokenExpiry: 604_800,
    issuer: 'https://auth.test',
    audience: 'https://auth.test',
    keyRotationInterval: 30,
    keyVersioning: true,
    secureKeyStorage: true,
    requireSessionBinding: true,
    enableIPValidation: false,
    enableUserAgentValidation: false,
    enableReplayProtection: true,
  });
});

test('each setting has its own variable', () => {
  const env = {
    JWT_ALGORITHM: 'EdDSA',
    JWT_ACCESS_EXPIRY: '60',
    JWT_REFRESH_EXPIRY: '3600',
    JWT_ISSUER: 'https://issuer.test',
    JWT_AUDIENCE: 'tasks',
    KEY_ROTATION_DAYS: '7',
    REQUIRE_SESSION_BINDING: 'false',
    ENABLE_IP_VALIDATION: 'true',
    ENABLE_USER_AGENT_VALIDATION: 'true',
    ENABLE_REPLAY_PROTECTION: 'false',
  };
  expect(tokenSecurityConfigOf(loadConfig(env), 'https://auth.test')).toMatchObject({
    algorithm: 'EdDSA',
    accessTokenExpiry: 60,
    refreshTokenExpiry: 3_600,
    issuer: 'https://issuer.test',
    audience: 'tasks',
    keyRotationInterval: 7,
    requireSessionBinding: false,
    enableIPValidation: true,
    enableUserAgentValidation: true,
    enableReplayProtection: false,
  });
});

test('JWT_ISSUER alone is the issuer, byte for byte, and not the audience', () =>
  expect(tokenSecurityConfigOf(loadConfig({ JWT_ISSUER: 'https://issuer.test/' }), 'https://auth.test')).toMatchObject({
    issuer: 'https://issuer.test/',
    audience: 'https://auth.test',
  }));
