import { describe, expect, test } from 'vitest';
import { isVerificationRequired, secondFactorRolesOf } from './identity.ts';
import { rateLimitProfileOf, unresolvedAddressWarning } from './limits.ts';
import { ConfigError, loadConfig, registrationOf } from './load.ts';
import { isLocalSmtp, mailProblems } from './mail.ts';
import { missingForProduction } from './production.ts';
import { WINGS } from './wings.ts';

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
  expect([rolesOf('production'), rolesOf('staging')]).toEqual([['admin'], []]);
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
  expect([isLocalSmtp('smtp://127.0.0.1:25'), isLocalSmtp('smtp://[::1]:25')]).toEqual([true, true]);
  expect([isLocalSmtp('smtp://localhost'), isLocalSmtp('smtp://localhost.example.com')]).toEqual([true, false]);
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
  for (const part of ['BETTER_AUTH_SECRET', 'KEY_ENCRYPTION_KEY', 'BETTER_AUTH_URL']) expect(left).not.toContain(part);
});

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
  expect([profileOf({}), profileOf({ RATE_LIMIT_PROFILE: '' })]).toEqual(['development', 'development']);
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

function problemsIn(env: Record<string, string>): readonly { env: string; problem: string; fix: string }[] {
  try {
    loadConfig(env);
    return [];
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    return err.problems;
  }
}

test('an installation has every wing unless it leaves some out', () => {
  const all = loadConfig({});
  expect([all.wings.leftOut, all.faces]).toEqual([[], { mcp: true, console: true }]);
  const some = loadConfig({ SALLYPORT_LEAVE_OUT: 'mcp, handoff mcp' });
  expect([some.wings.leftOut, some.faces]).toEqual([['mcp', 'handoff'], { mcp: false, console: true }]);
});

test('handoff is a part of outbound: it leaves with it, and leaves alone', () => {
  expect(loadConfig({ SALLYPORT_LEAVE_OUT: 'outbound' }).wings.leftOut).toEqual(['outbound', 'handoff']);
  expect(loadConfig({ SALLYPORT_LEAVE_OUT: 'handoff outbound' }).wings.leftOut).toEqual(['handoff', 'outbound']);
  expect(loadConfig({ SALLYPORT_LEAVE_OUT: 'handoff' }).wings.leftOut).toEqual(['handoff']);
});

test('what cannot be left out is refused, with what can', () =>
  expect(problemsIn({ SALLYPORT_LEAVE_OUT: 'mcp,tokens' })).toMatchObject([
    {
      env: 'SALLYPORT_LEAVE_OUT',
      problem:
        '"tokens" cannot be left out; these can: privacy, compliance, agents, signoff, import, outbound, handoff, monitoring, recovery, mcp, console',
    },
  ]));

test('compliance needs privacy: leaving out privacy alone is refused with the fix', () => {
  expect(problemsIn({ SALLYPORT_LEAVE_OUT: 'privacy' })).toMatchObject([
    { env: 'SALLYPORT_LEAVE_OUT', fix: 'leave out compliance too, or do not leave out privacy' },
  ]);
  expect(problemsIn({ SALLYPORT_LEAVE_OUT: 'privacy,compliance' })).toEqual([]);
  expect(problemsIn({ SALLYPORT_LEAVE_OUT: 'compliance' })).toEqual([]);
});

test.each([
  ['handoff', 'handoff', { HANDOFF_ENDPOINTS: 'siem=https://siem.example/in' }, 'HANDOFF_ENDPOINTS'],
  ['outbound', 'handoff', { SIEM_TARGETS: 'a=ocsf+https://a.example' }, 'SIEM_TARGETS'],
  ['recovery', 'recovery', { RESTORE_DRILL_URL: 'postgres://drill@db.example/postgres' }, 'RESTORE_DRILL_URL'],
  ['import', 'import', { LEGACY_PASSWORD_URL: 'https://old.example/check' }, 'LEGACY_PASSWORD_URL'],
] as const)('without %s, settings that would do nothing are refused', (named, wing, env, name) => {
  expect(problemsIn({ SALLYPORT_LEAVE_OUT: named, ...env })).toContainEqual({
    env: 'SALLYPORT_LEAVE_OUT',
    problem: `leaves out ${wing}, and ${name} would do nothing`,
    fix: `unset ${name}, or do not leave out ${wing}`,
  });
});

test.each(WINGS.filter((wing) => wing !== 'privacy'))('%s can be left out alone', (wing) => {
  expect(problemsIn({ SALLYPORT_LEAVE_OUT: wing })).toEqual([]);
});
