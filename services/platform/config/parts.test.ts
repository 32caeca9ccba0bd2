import { expect, test } from 'vitest';
import { isVerificationRequired, secondFactorRolesOf } from './identity.ts';
import { type ConfigError, loadConfig, registrationOf } from './load.ts';
import { isLocalSmtp, mailProblems } from './mail.ts';
import { missingForProduction } from './production.ts';

const brandOf = (env: Record<string, string>) => loadConfig(env).brand;

test('without settings the pages carry the name of the product alone', () => {
  expect(brandOf({})).toEqual({
    name: 'Sallyport',
    logoUrl: undefined,
    colour: undefined,
    termsUrl: undefined,
    privacyUrl: undefined,
  });
  expect(brandOf({ BRAND_NAME: ' ', BRAND_COLOR: '' })).toMatchObject({ name: 'Sallyport', colour: undefined });
});

test('name, logo, colour and links are read as given', () => {
  const env = {
    BRAND_NAME: 'Zoë & Söhne',
    BRAND_LOGO_URL: 'https://cdn.example.com/logo.svg',
    BRAND_COLOR: '#A1b2C3',
    BRAND_TERMS_URL: 'https://example.com/terms?lang=en',
    BRAND_PRIVACY_URL: 'http://localhost:8080/privacy#short',
  };
  expect(Object.values(brandOf(env))).toEqual(Object.values(env));
});

test.each([
  ['BRAND_NAME', '</title><script>alert(1)</script>'],
  ['BRAND_NAME', 'a\nb'],
  ['BRAND_NAME', 'evil \u202egnp'],
  ['BRAND_NAME', 'x'.repeat(65)],
  ['BRAND_COLOR', 'red'],
  ['BRAND_COLOR', '#fff'],
  ['BRAND_COLOR', '#ffffff;}'],
  ['BRAND_LOGO_URL', "https://a.test/'; script-src *"],
  ['BRAND_LOGO_URL', 'https://a.test/logo.png; img-src *'],
  ['BRAND_LOGO_URL', 'https://a.test/logo.png?x=1'],
  ['BRAND_LOGO_URL', 'data:image/svg+xml,x'],
  ['BRAND_LOGO_URL', '/logo.svg'],
  ['BRAND_TERMS_URL', 'javascript:alert(1)'],
  ['BRAND_TERMS_URL', 'https://user:secret@example.com/'],
  ['BRAND_TERMS_URL', 'https://user@example.com/'],
  ['BRAND_PRIVACY_URL', 'https://a.test/"onmouseover="alert(1)'],
  ['BRAND_PRIVACY_URL', 'https://[a.test/'],
  ['BRAND_PRIVACY_URL', `https://a.test/${'x'.repeat(4_096)}`],
])('%s %j is refused: it could break out of the page or its policy', (env, value) => {
  expect(() => brandOf({ [env]: value })).toThrow(env);
});

const base = { BETTER_AUTH_SECRET: 'a-secret-of-more-than-32-characters-1234' };

const OWN = ['own.sessions', 'own.events', 'own.signoffs', 'own.applications', 'own.api_keys'];

test('every caller may register a client in development, and none elsewhere unless the operator says so', () => {
  const of = (env: object) => registrationOf(loadConfig({ ...base, ...env }));
  const staging = { SALLYPORT_PROFILE: 'staging', KEY_ENCRYPTION_KEY: 'x8Lq2c0v7sK1f9Zr4tY6uB3nM5wE8aQdH0jGpVhTiRk=' };
  expect([of({}), of(staging)]).toEqual(['open', 'off']);
  expect(of({ CLIENT_REGISTRATION: 'off' })).toBe('off');
  expect(of({ ...staging, CLIENT_REGISTRATION: 'token' })).toBe('token');
});

test('client documents are off by default, and clients without an administrator may ask for few scopes', () => {
  expect(loadConfig(base).clients).toEqual({
    registration: undefined,
    readsDocuments: false,
    documentsPrivate: false,
    logoutPrivate: false,
    scopes: ['openid', 'profile', 'email', 'offline_access', ...OWN],
    audiences: [],
  });
  const set = {
    UNVETTED_CLIENT_SCOPES: 'openid, tasks:read openid',
    UNVETTED_CLIENT_AUDIENCES: 'https://api.example/mcp',
  };
  expect(loadConfig({ ...base, ...set }).clients).toMatchObject({
    scopes: ['openid', 'tasks:read'],
    audiences: ['https://api.example/mcp'],
  });
});

test.each([
  ['CLIENT_REGISTRATION', { CLIENT_REGISTRATION: 'yes' }],
  ['UNVETTED_CLIENT_SCOPES', { UNVETTED_CLIENT_SCOPES: 'a"b' }],
  ['UNVETTED_CLIENT_AUDIENCES', { UNVETTED_CLIENT_AUDIENCES: 'https://api.example/mcp, *' }],
  ['CLIENT_DOCUMENTS_PRIVATE', { CLIENT_DOCUMENTS_PRIVATE: 'true', SALLYPORT_PROFILE: 'staging' }],
])('%s is refused if it is unsafe or unreadable', (env, changes) => {
  try {
    loadConfig({ ...base, ...changes });
    expect.unreachable();
  } catch (err) {
    expect((err as ConfigError).problems.map((problem) => problem.env)).toContain(env);
  }
});

const rolesOf = (profile: string, secondFactorRoles?: string): readonly string[] =>
  secondFactorRolesOf({ identity: { secondFactorRoles }, server: { profile } });

test('the admin role requires a second factor under production unless the setting lists other roles', () => {
  expect(rolesOf('production')).toEqual(['admin']);
  expect(rolesOf('staging')).toEqual([]);
  expect(rolesOf('development', ' admin, auditor,')).toEqual(['admin', 'auditor']);
  expect(rolesOf('production', 'none')).toEqual([]);
});

const problemsOf = (smtpUrl: string | undefined, from = 'Sallyport <no-reply@example.com>') =>
  mailProblems({ smtpUrl, from }).map(({ env }) => env);

test.each(['smtp://localhost:2525', 'smtps://user:pass%40word@mail.example.com:465', undefined])('%s starts', (url) => {
  expect(problemsOf(url)).toEqual([]);
});

test.each(['mail.example.com', 'http://mail.example.com', 'smtp://', 'smtp://mail.example.com?ignoreTLS=true'])(
  'SMTP_URL %s is refused: it names no server, or would switch encryption off',
  (url) => expect(problemsOf(url)).toEqual(['SMTP_URL']),
);

test.each(['', 'unknown', 'a@b\r\nBcc: c@d', 'A <a@b> <c@d>', 'a@b, c@d'])(
  'MAIL_FROM %j is refused: it is not a sender',
  (from) => expect(problemsOf(undefined, from)).toEqual(['MAIL_FROM']),
);

test.each(['no-reply@example.com', 'Sallyport Accounts <no-reply@example.com>'])('MAIL_FROM %s is accepted', (from) => {
  expect(problemsOf(undefined, from)).toEqual([]);
});

test('mail may be sent without encryption only to a server on this machine', () => {
  expect(isLocalSmtp('smtp://127.0.0.1:25')).toBe(true);
  expect(isLocalSmtp('smtp://[::1]:25')).toBe(true);
  expect(isLocalSmtp('smtp://localhost')).toBe(true);
  expect(isLocalSmtp('smtp://localhost.example.com')).toBe(false);
});

test('addresses must be verified under production, and elsewhere if the setting requires it', () => {
  const of = (profile: string, requireEmailVerification?: boolean) =>
    isVerificationRequired({ server: { profile }, identity: { requireEmailVerification } });
  expect([of('production'), of('staging'), of('development')]).toEqual([true, false, false]);
  expect([of('production', false), of('development', true)]).toEqual([false, true]);
  expect(loadConfig({ REQUIRE_EMAIL_VERIFICATION: 'yes' }).identity.requireEmailVerification).toBe(true);
  expect(() => loadConfig({ REQUIRE_EMAIL_VERIFICATION: 'maybe' })).toThrow('must be true or false');
});

const namesOf = (env: Record<string, string>) => missingForProduction(env).map(({ env: name }) => name);

test('a new development installation lacks what an operator must give, whether the supervisor generated it or not', () => {
  const missing = ['BETTER_AUTH_SECRET', 'KEY_ENCRYPTION_KEY', 'BETTER_AUTH_URL'];
  expect(namesOf({})).toEqual(expect.arrayContaining(missing));
  const running = {
    BETTER_AUTH_SECRET: 'generated-secret-of-more-than-32-bytes',
    BETTER_AUTH_URL: 'http://localhost:3000',
    MCP_URL: 'http://localhost:3001/mcp',
    SALLYPORT_GENERATED: 'BETTER_AUTH_SECRET,BETTER_AUTH_URL,MCP_URL',
  };
  expect(missingForProduction(running)).toEqual(missingForProduction({}));
});

test('settings that production accepts leave nothing to list, under whatever profile they run', () => {
  const given = {
    SALLYPORT_PROFILE: 'development',
    BETTER_AUTH_SECRET: 'q7W2e9Rt4yU1iO5pA8sD3fG6hJ0kL-zX',
    KEY_ENCRYPTION_KEY: 'c0VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM=',
    BETTER_AUTH_URL: 'https://auth.example.test',
  };
  const left = namesOf(given);
  expect(left).not.toContain('BETTER_AUTH_SECRET');
  expect(left).not.toContain('KEY_ENCRYPTION_KEY');
  expect(left).not.toContain('BETTER_AUTH_URL');
});
