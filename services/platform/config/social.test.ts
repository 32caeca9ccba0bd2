import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './load.ts';
import { socialProvidersOf } from './social.ts';

const refused = (env: Record<string, string>): string[] => {
  try {
    loadConfig(env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems.map((problem) => problem.env);
    throw err;
  }
  return [];
};

test('A-OAU-03 without settings there is no provider, and the start is clean', () => {
  expect(socialProvidersOf(loadConfig({}).social)).toEqual({});
});

test('providers are those of the short settings and of the JSON, the short ones first', () => {
  const { social } = loadConfig({
    GOOGLE_CLIENT_ID: 'a',
    GOOGLE_CLIENT_SECRET: 'b',
    GITHUB_CLIENT_ID: 'c',
    GITHUB_CLIENT_SECRET: 'd',
    OIDC_ISSUER: 'https://login.example.test/',
    OIDC_CLIENT_ID: 'e',
    SOCIAL_PROVIDERS: '{"gitlab":{"clientId":"f","clientSecret":"g","scopes":["read_user"]},"google":{"clientId":"x"}}',
  });
  expect(socialProvidersOf(social)).toEqual({
    google: { clientId: 'a', clientSecret: 'b' },
    github: { clientId: 'c', clientSecret: 'd' },
    oidc: { issuer: 'https://login.example.test', clientId: 'e' },
    gitlab: { clientId: 'f', clientSecret: 'g', scopes: ['read_user'] },
  });
  const { social: secret } = loadConfig({
    OIDC_ISSUER: 'https://a.test',
    OIDC_CLIENT_ID: 'e',
    OIDC_CLIENT_SECRET: 's',
  });
  expect(socialProvidersOf(secret).oidc).toMatchObject({ clientSecret: 's' });
});

test.each<[Record<string, string>, string]>([
  [{ GOOGLE_CLIENT_ID: 'a' }, 'GOOGLE_CLIENT_SECRET'],
  [{ GITHUB_CLIENT_SECRET: 'a' }, 'GITHUB_CLIENT_ID'],
  [{ OIDC_ISSUER: 'https://a.test' }, 'OIDC_CLIENT_ID'],
  [{ SOCIAL_PROVIDERS: '{' }, 'SOCIAL_PROVIDERS'],
  [{ SOCIAL_PROVIDERS: '[]' }, 'SOCIAL_PROVIDERS'],
  [{ SOCIAL_PROVIDERS: '{"a":{}}' }, 'SOCIAL_PROVIDERS'],
  [{ SOCIAL_PROVIDERS: '{"A/b":{"clientId":"x"}}' }, 'SOCIAL_PROVIDERS'],
  [{ SOCIAL_PROVIDERS: '{"a":{"clientId":"x","issuer":"nonsense"}}' }, 'SOCIAL_PROVIDERS'],
])('%o is refused by name: %s', (env, name) => expect(refused(env)).toEqual([name]));

test('outside development no issuer is without TLS', () => {
  const env = { OIDC_ISSUER: 'http://login.example.test', OIDC_CLIENT_ID: 'x' };
  expect(refused(env)).toEqual([]);
  expect(refused({ ...env, SALLYPORT_PROFILE: 'production' })).toContain('SOCIAL_PROVIDERS');
});
