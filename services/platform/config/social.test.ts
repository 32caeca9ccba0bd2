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

test('without settings there is no provider and no problem', () => {
  expect(socialProvidersOf(loadConfig({}).social)).toEqual({});
});

test('providers come from the short settings first, then from the JSON', () => {
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

test('options are scalars with identifiers as names', () => {
  const of = (options: unknown) => ({ SOCIAL_PROVIDERS: JSON.stringify({ cognito: { clientId: 'x', options } }) });
  const options = { domain: 'login.example.test', requireClientSecret: true, n: 1 };
  expect(socialProvidersOf(loadConfig(of(options)).social).cognito).toEqual({ clientId: 'x', options });
  for (const wrong of [
    { domain: { nested: 'text' } },
    { scopes: ['a'] },
    { domain: null },
    { domain: '' },
    { 'a-b': 'x' },
    { redirectURI: 'https://evil.test' },
    { clientSecret: 'x' },
    { getUserInfo: 'x' },
    Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`o${n}`, 'x'])),
    'text',
  ])
    expect(refused(of(wrong)), JSON.stringify(wrong)).toEqual(['SOCIAL_PROVIDERS']);
  const odd = loadConfig({ SOCIAL_PROVIDERS: '{"x":{"clientId":"x","options":{"__proto__":"y"}}}' });
  expect(Object.keys(socialProvidersOf(odd.social).x?.options ?? {})).toEqual([]);
  const secret = 'a-secret-of-the-test-only';
  const told = (() => {
    try {
      loadConfig(of({ secret, nested: { secret } }));
    } catch (err) {
      return JSON.stringify([(err as Error).message, (err as ConfigError).problems]);
    }
    return '';
  })();
  expect(told).toContain('cognito.options');
  expect(told).not.toContain(secret);
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
])('%o is refused, and the problem names %s', (env, name) => expect(refused(env)).toEqual([name]));

test('an issuer without TLS is refused outside development', () => {
  const env = { OIDC_ISSUER: 'http://login.example.test', OIDC_CLIENT_ID: 'x' };
  expect(refused(env)).toEqual([]);
  expect(refused({ ...env, SALLYPORT_PROFILE: 'production' })).toContain('SOCIAL_PROVIDERS');
});
