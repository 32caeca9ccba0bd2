import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { pushedByDefault } from '#services/modules.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { ConfigError, keyEncryptionKeyOf, loadConfig, profileWarning } from './load.ts';
import { trustedOrigins } from './server.ts';
import { socialProvidersOf } from './social.ts';

const secret = (bytes = 32): string => randomBytes(bytes).toString('base64');
const production = (): Record<string, string> => ({
  SALLYPORT_PROFILE: 'production',
  BETTER_AUTH_SECRET: secret(),
  BETTER_AUTH_URL: 'https://auth.example.test',
  KEY_ENCRYPTION_KEY: secret(),
});

/** The variables for which a start is refused, once for each problem; empty if it is not refused. */
function refused(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    return err.problems.map((problem) => problem.env);
  }
}

describe('unsafe settings stop the start', () => {
  test('a proper production configuration starts, and so does nothing at all in development', () => {
    expect([refused(production()), refused({})]).toEqual([[], []]);
  });

  test.each([
    ['BETTER_AUTH_SECRET', 'x'.repeat(31)],
    ['BETTER_AUTH_SECRET', 'a'.repeat(44)],
    ['BETTER_AUTH_URL', 'http://auth.example.test'],
    ['KEY_ENCRYPTION_KEY', 'A'.repeat(44)],
    ['JWT_SECRET', 'short'],
    ['JWT_SECRET', '0123'.repeat(16)],
    ['REFRESH_GRACE_SECONDS', '0'],
    ['REFRESH_GRACE_USES', '0'],
    ['JWT_ACCESS_EXPIRY', '0'],
    ['JWT_LEEWAY', '61'],
    ['KEY_PREPUBLISH_SECONDS', '59', { JWKS_MAX_AGE_SECONDS: '60' }],
    ['JWT_REFRESH_ABSOLUTE_EXPIRY', '3599', { JWT_REFRESH_EXPIRY: '3600' }],
    ['RATE_LIMIT_PROFILE', 'load'],
    ['RATE_LIMIT_PROFILE', 'development'],
  ])('production refuses %s=%s and names the variable', (env, value, beside?: Record<string, string>) => {
    expect(refused({ ...production(), ...beside, [env]: value })).toEqual([env]);
  });

  test.each([
    ['KEY_PREPUBLISH_SECONDS', '60', { JWKS_MAX_AGE_SECONDS: '60' }],
    ['JWT_REFRESH_ABSOLUTE_EXPIRY', '3600', { JWT_REFRESH_EXPIRY: '3600' }],
    ['REFRESH_GRACE_SECONDS', '1', {}],
    ['REFRESH_GRACE_USES', '1', {}],
    // A short lifetime lets a client be tested against expiry without a wait.
    ['JWT_ACCESS_EXPIRY', '1', {}],
  ])('production accepts %s=%s: the bound itself is safe', (env, value, beside) => {
    expect(refused({ ...production(), ...beside, [env]: value })).toEqual([]);
  });

  test('staging needs the same secrets as production, but neither TLS nor a public URL', () => {
    const staging = { SALLYPORT_PROFILE: 'staging', BETTER_AUTH_SECRET: secret(), KEY_ENCRYPTION_KEY: secret() };
    expect(refused(staging)).toEqual([]);
    expect(refused({ ...staging, KEY_ENCRYPTION_KEY: '' })).toEqual(['KEY_ENCRYPTION_KEY']);
    expect(refused({ ...staging, BETTER_AUTH_SECRET: '' })).toEqual(['BETTER_AUTH_SECRET']);
    expect(refused({ ...staging, KEY_ENCRYPTION_KEY: '', KEY_ENCRYPTION_KEY_FILE: '/run/secrets/key' })).toEqual([]);
  });

  test('HS256 needs a separate secret outside development, and an explicit permission in production', () => {
    expect(refused({ JWT_ALGORITHM: 'HS256' })).toEqual([]);
    const shared = { ...production(), JWT_ALGORITHM: 'HS256' };
    expect(refused({ ...shared, SALLYPORT_PROFILE: 'staging' })).toEqual(['JWT_SECRET']);
    expect(refused({ ...shared, ALLOW_HS256_IN_PRODUCTION: 'true' })).toEqual(['JWT_SECRET']);
    expect(refused({ ...shared, JWT_SECRET: secret() })).toEqual(['JWT_ALGORITHM']);
    expect(refused({ ...shared, JWT_SECRET: secret(), ALLOW_HS256_IN_PRODUCTION: 'true' })).toEqual([]);
  });

  test.each(['production', 'staging'])(
    '%s refuses one secret for two purposes and names both variables',
    async (profile) => {
      const one = secret();
      const twice = { ...production(), SALLYPORT_PROFILE: profile, BETTER_AUTH_SECRET: one };
      const names = 'KEY_ENCRYPTION_KEY: is the same secret as BETTER_AUTH_SECRET';
      expect(() => loadConfig({ ...twice, KEY_ENCRYPTION_KEY: one })).toThrow(names);
      expect(refused({ ...twice, JWT_SECRET: one })).toEqual(['JWT_SECRET']);
      expect(refused({ ...production(), KEY_ENCRYPTION_KEY: one, JWT_SECRET: one })).toEqual(['JWT_SECRET']);
      const folder = testFolder(onTestFinished);
      const file = join(folder, 'key');
      await writeFile(file, `${one}\n`);
      const fromFile = { ...twice, KEY_ENCRYPTION_KEY: '', KEY_ENCRYPTION_KEY_FILE: file };
      expect(refused(fromFile)).toEqual(['KEY_ENCRYPTION_KEY_FILE']);
      // Allowed, so that an operator can re-encrypt under another key.
      expect(refused({ ...twice, KEY_ENCRYPTION_KEY_PREVIOUS: one })).toEqual([]);
      expect(refused({ BETTER_AUTH_SECRET: one, KEY_ENCRYPTION_KEY: one })).toEqual([]);
    },
  );

  test('production names every secret that is missing', () =>
    expect(refused({ SALLYPORT_PROFILE: 'production' })).toEqual([
      'BETTER_AUTH_SECRET',
      'KEY_ENCRYPTION_KEY',
      'BETTER_AUTH_URL',
    ]));

  test('production refuses an MCP server without TLS', () => {
    expect(refused({ ...production(), MCP_URL: 'http://mcp.example' })).toEqual(['MCP_URL']);
    expect(refused({ ...production(), MCP_URL: 'https://mcp.example' })).toEqual([]);
  });

  test('a start without any process is refused; a start of one kind only is not', () => {
    const none = { API_COPIES: '0', WORKER_COPIES: '0', MCP_COPIES: '0' };
    expect([refused(none), refused({ ...none, WORKER_COPIES: '1' })]).toEqual([['API_COPIES'], []]);
    expect(refused({ ...none, MCP_COPIES: '1' })).toEqual([]);
  });

  test('NODE_ENV=production without a profile gives a warning that the development profile starts, with the fix', () => {
    expect(profileWarning({ NODE_ENV: 'production' })).toMatch(/development.*SALLYPORT_PROFILE=production/);
    expect(profileWarning({ NODE_ENV: 'production', SALLYPORT_PROFILE: '' })).toBeDefined();
    for (const profile of ['development', 'staging', 'production'])
      expect(profileWarning({ NODE_ENV: 'production', SALLYPORT_PROFILE: profile })).toBeUndefined();
    expect(profileWarning({ NODE_ENV: 'development' })).toBeUndefined();
    expect(profileWarning({})).toBeUndefined();
  });

  test('a key-encryption key below 32 bytes is refused', () => {
    const config = loadConfig({ ...production(), KEY_ENCRYPTION_KEY: secret(31) });
    expect(() => keyEncryptionKeyOf(config, '')).toThrow(ConfigError);
  });
});

describe('CORS_ORIGINS: pages that may write', () => {
  test.each('null * https://*.example.test https://app.example.test/ https://App.example.test javascript:x'.split(' '))(
    'CORS_ORIGINS=%s is refused: browsers send no such origin',
    (origin) => {
      expect(refused({ CORS_ORIGINS: `https://good.example.test,${origin}` })).toEqual(['CORS_ORIGINS']);
    },
  );

  test('origins with a port are kept as written', () => {
    const { server } = loadConfig({ CORS_ORIGINS: 'https://a.example.test, http://localhost:5173' });
    expect(server.corsOrigins).toEqual(['https://a.example.test', 'http://localhost:5173']);
  });

  test.each([
    ['http://localhost:5173', true],
    ['http://127.0.0.1:8080', true],
    ['http://localhost.evil.test', false],
    ['http://evil.localhost:80', false],
    ['https://localhost', false],
    ['null', false],
  ])('a development API on this machine trusts %s without it: %s, and no other API does', (origin, isTrusted) => {
    const trusted = (profile: 'development' | 'staging' | 'production', own: string): ReadonlySet<string> =>
      trustedOrigins({ profile, corsOrigins: ['https://a.example.test'] }, [own]);
    const here = trusted('development', 'http://localhost:3000');
    expect([here.has(origin), [...here]]).toEqual([isTrusted, ['http://localhost:3000', 'https://a.example.test']]);
    for (const profile of ['staging', 'production'] as const)
      expect(trusted(profile, 'http://localhost:3000').has(origin)).toBe(false);
    expect(trusted('development', 'https://auth.example.test').has(origin)).toBe(false);
  });
});

describe('CVE-2026-92395: proxies whose X-Forwarded-For is trusted', () => {
  test.each([...'nonsense 0.0.0.0/0 ::/0 10.0.0.0/33 10.0.0.0/8/8 ::ffff:10.0.0.0/8 10.0.0/8 10.0.0.0/'.split(' ')])(
    'TRUSTED_PROXIES=%s is refused',
    (range) => {
      expect(refused({ TRUSTED_PROXIES: range })).toEqual(['TRUSTED_PROXIES']);
    },
  );

  test('addresses, ranges and the names of local ranges are accepted', () => {
    const ranges = ['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::ffff:10.0.0.0/104', 'loopback'];
    expect(loadConfig({ TRUSTED_PROXIES: ranges.join(', ') }).server.trustedProxies).toEqual(ranges);
  });

  test('a header for client certificates needs a valid name and a trusted proxy', () => {
    const proxy = { TRUSTED_PROXIES: '10.0.0.1' };
    expect(loadConfig({ ...proxy, CLIENT_CERT_HEADER: 'Client-Cert' }).server.clientCertHeader).toBe('client-cert');
    expect(loadConfig({ CLIENT_CERT_HEADER: '' }).server.clientCertHeader).toBeUndefined();
    for (const name of ['client cert', 'client:cert', '-'])
      expect(refused({ ...proxy, CLIENT_CERT_HEADER: name })).toEqual(['CLIENT_CERT_HEADER']);
    expect(refused({ CLIENT_CERT_HEADER: 'Client-Cert' })).toEqual(['CLIENT_CERT_HEADER']);
    expect(refused({ ...proxy, CLIENT_CERT_CA_FILE: '/etc/ca.pem' })).toEqual(['CLIENT_CERT_CA_FILE']);
    expect(refused({ ...proxy, CLIENT_CERT_HEADER: 'Client-Cert', CLIENT_CERT_CA_FILE: '/etc/ca.pem' })).toEqual([]);
  });
});

test.each([
  ['DATABASE_URL', 'hello', /^is not a URL; write it as postgresql:/],
  ['DATABASE_URL', 'mysql://u:hidden-word@h/d', /^must begin with postgresql:\/\/ or postgres:\/\//],
  ['DATABASE_URL', 'postgres://u:hidden word#@h:x/d', /^is not a URL/],
  ['REDIS_URL', 'foo', /^is not a URL; write it as redis:/],
  ['REDIS_URL', 'http://:hidden-word@h', /^must begin with redis:\/\/ or rediss:\/\//],
])('%s=%s is refused with an explanation, without its value', (env, value, words) => {
  try {
    loadConfig({ [env]: value });
  } catch (err) {
    const [first, ...others] = (err as ConfigError).problems;
    expect(others).toEqual([]);
    expect(first).toMatchObject({ env, problem: expect.stringMatching(words) });
    expect(`${first?.problem} ${first?.fix}`).not.toMatch(/hidden|hello|foo/);
    return;
  }
  expect.unreachable('it was accepted');
});

test.each([
  ['DATABASE_URL', 'postgres:///d?host=/run/postgresql'],
  ['DATABASE_URL', 'postgresql://u:p%23@h:5433/d?sslmode=require'],
  ['REDIS_URL', 'rediss://u:p@h:6380/1'],
  ['REDIS_URL', '/run/redis.sock'],
  ['REDIS_URL', ''],
])('%s=%s is accepted', (env, value) => expect(() => loadConfig({ [env]: value })).not.toThrow());

describe('audit', () => {
  const VKEY = 'witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY';

  test('heads are written to files by default', () =>
    expect(loadConfig({}).audit).toMatchObject({ sinks: ['file'], witnesses: [], logOrigin: undefined }));

  test('witnesses are pairs of a cosignature key and a URL', () => {
    const { audit } = loadConfig({
      AUDIT_CHECKPOINT_SINKS: 'file, witness',
      AUDIT_WITNESSES: `${VKEY} https://witness.example/p/, ${VKEY}  http://127.0.0.1:9`,
    });
    expect(audit.sinks).toEqual(['file', 'witness']);
    expect(audit.witnesses).toEqual([
      { vkey: VKEY, url: 'https://witness.example/p' },
      { vkey: VKEY, url: 'http://127.0.0.1:9' },
    ]);
  });

  test.each<[Record<string, string>, string]>([
    [{ AUDIT_CHECKPOINT_SINKS: 'file,paper' }, 'AUDIT_CHECKPOINT_SINKS'],
    [{ AUDIT_CHECKPOINT_SINKS: 'witness' }, 'AUDIT_WITNESSES'],
    [{ AUDIT_WITNESSES: VKEY }, 'AUDIT_WITNESSES'],
    // The key of a log, which cannot cosign.
    [{ AUDIT_WITNESSES: `${VKEY.replace('+BP', '+AP')} https://witness.example` }, 'AUDIT_WITNESSES'],
    [{ AUDIT_LOG_ORIGIN: 'two words' }, 'AUDIT_LOG_ORIGIN'],
    [{ AUDIT_LOG_ORIGIN: 'a+b' }, 'AUDIT_LOG_ORIGIN'],
    [{ AUDIT_S3_URL: 'ftp://x' }, 'AUDIT_S3_URL'],
  ])('%o is refused, and the problem names %s', (env, name) => expect(refused(env)).toEqual([name]));

  test('the s3 sink needs address and credentials, and production needs a sink', () => {
    expect(refused({ AUDIT_CHECKPOINT_SINKS: 's3' })).toEqual([
      'AUDIT_S3_URL',
      'AUDIT_S3_ACCESS_KEY_ID',
      'AUDIT_S3_SECRET_ACCESS_KEY',
    ]);
    expect(refused({ SALLYPORT_PROFILE: 'production', AUDIT_CHECKPOINT_SINKS: ' ' })).toContain(
      'AUDIT_CHECKPOINT_SINKS',
    );
  });

  test('production sends heads to a bucket over TLS only', () => {
    const s3 = {
      ...{ AUDIT_CHECKPOINT_SINKS: 's3', AUDIT_S3_URL: 'http://127.0.0.1:9/audit' },
      ...{ AUDIT_S3_ACCESS_KEY_ID: 'x', AUDIT_S3_SECRET_ACCESS_KEY: 'x' },
    };
    expect(refused(s3)).toEqual([]);
    expect(refused({ ...s3, SALLYPORT_PROFILE: 'production' })).toContain('AUDIT_S3_URL');
    const overTls = { ...s3, AUDIT_S3_URL: 'https://bucket.example', SALLYPORT_PROFILE: 'production' };
    expect(refused(overTls)).not.toContain('AUDIT_S3_URL');
  });
});

describe('backups', () => {
  test('production sends backups to an object store over TLS only, on this machine too', () => {
    for (const endpoint of ['http://minio.example', 'http://127.0.0.1:9000']) {
      expect(refused({ BACKUP_S3_ENDPOINT: endpoint })).toEqual([]);
      expect(refused({ BACKUP_S3_ENDPOINT: endpoint, SALLYPORT_PROFILE: 'production' })).toContain(
        'BACKUP_S3_ENDPOINT',
      );
    }
    const overTls = { BACKUP_S3_ENDPOINT: 'https://minio.example', SALLYPORT_PROFILE: 'production' };
    expect(refused(overTls)).not.toContain('BACKUP_S3_ENDPOINT');
  });

  test('a rehearsal with a kept backup needs its key and a server', () => {
    const drill = { RESTORE_DRILL_URL: 'postgres://drill@db.example/postgres' };
    expect(refused({ ...drill, RESTORE_DRILL_BACKUP: 's3://backups/daily' })).toEqual(['RESTORE_DRILL_KEY_FILE']);
    expect(refused({ ...drill, RESTORE_DRILL_KEY_FILE: '/run/backup.key' })).toEqual(['RESTORE_DRILL_BACKUP']);
    const kept = { RESTORE_DRILL_BACKUP: '/backups/daily', RESTORE_DRILL_KEY_FILE: '/run/backup.key' };
    expect([refused(kept), refused({ ...drill, ...kept })]).toEqual([['RESTORE_DRILL_URL'], []]);
  });
});

describe('handoff', () => {
  const endpointsOf = (text: string) => loadConfig({ HANDOFF_ENDPOINTS: text }).handoff.endpoints;

  test('endpoints are read with their names, by commas and spaces, and none is the default', () => {
    expect(endpointsOf('')).toEqual([]);
    expect(endpointsOf('siem=https://siem.example/in?a=b, crm-2=https://crm.example')).toEqual([
      { name: 'siem', url: 'https://siem.example/in?a=b' },
      { name: 'crm-2', url: 'https://crm.example/' },
    ]);
  });

  test.each([
    ...'https://siem.example Siem=https://siem.example siem=ftp://siem.example'.split(' '),
    ...'siem=https://user:secret@siem.example siem=https://siem.example/#part siem=https://['.split(' '),
    ...'a=https://a.example,a=https://b.example'.split(' '),
    Array.from({ length: 9 }, (_, n) => `e${n}=https://e.example/${n}`).join(','),
  ])('HANDOFF_ENDPOINTS=%s is refused', (text) => {
    expect(refused({ HANDOFF_ENDPOINTS: text })).toEqual(['HANDOFF_ENDPOINTS']);
  });

  test('plain http is refused unless private networks are allowed', () => {
    const env = { HANDOFF_ENDPOINTS: 'siem=http://10.0.0.7/in' };
    expect([refused(env), refused({ ...env, HANDOFF_PRIVATE: 'true' })]).toEqual([['HANDOFF_ENDPOINTS'], []]);
  });

  test.each(['handoff.given_up', 'login', 'user.login;drop'])('HANDOFF_TYPES=%s is refused', (types) => {
    expect(refused({ HANDOFF_TYPES: types })).toEqual(['HANDOFF_TYPES']);
  });

  test('the types are those that it names, and without it none are set, so that those of the modules count', () => {
    expect(loadConfig({ HANDOFF_TYPES: 'user.login, user.login session.ended' }).handoff.types).toEqual([
      'user.login',
      'session.ended',
    ]);
    expect(loadConfig({}).handoff.types).toBeUndefined();
  });

  test('what is pushed by default may also be configured', () =>
    expect(loadConfig({ HANDOFF_TYPES: pushedByDefault.join(',') }).handoff.types).toEqual(pushedByDefault));
});

describe('marks', () => {
  const s3 = {
    MARK_STORE: 's3',
    MARK_S3_URL: 'https://bucket.example/marks/',
    MARK_S3_ACCESS_KEY_ID: 'id',
    MARK_S3_SECRET_ACCESS_KEY: 'secret',
  };

  test('high-water marks are files by default', () =>
    expect(loadConfig({}).marks).toMatchObject({ store: 'file', s3Url: undefined }));

  test('MARK_STORE=s3 needs address and credentials, and TLS under production', () => {
    expect(loadConfig(s3).marks).toMatchObject({ store: 's3', s3Url: 'https://bucket.example/marks' });
    expect(refused({ MARK_STORE: 's3' })).toEqual([
      'MARK_S3_URL',
      'MARK_S3_ACCESS_KEY_ID',
      'MARK_S3_SECRET_ACCESS_KEY',
    ]);
    expect(refused({ MARK_STORE: 'paper' })).toEqual(['MARK_STORE']);
    const plain = { ...s3, MARK_S3_URL: 'http://bucket.example/marks' };
    expect(refused(plain)).toEqual([]);
    expect(refused({ ...plain, SALLYPORT_PROFILE: 'production' })).toContain('MARK_S3_URL');
  });
});

describe('siem', () => {
  test('targets are read with name, format and URL, by commas and spaces, and none is the default', () => {
    expect(loadConfig({}).siem.targets).toEqual([]);
    const text =
      'splunk=ocsf+https://siem.example/in?a=b, soc-2=ecs+syslogs://siem.example:6515 old=ocsf+syslogs://siem.example';
    expect(loadConfig({ SIEM_TARGETS: text }).siem.targets).toEqual([
      { name: 'splunk', format: 'ocsf', url: 'https://siem.example/in?a=b' },
      { name: 'soc-2', format: 'ecs', url: 'syslogs://siem.example:6515' },
      { name: 'old', format: 'ocsf', url: 'syslogs://siem.example' },
    ]);
  });

  test.each([
    ...'https://siem.example soc=https://siem.example soc=cef+https://siem.example'.split(' '),
    ...'Soc=ocsf+https://siem.example soc=ocsf+ftp://siem.example'.split(' '),
    ...'soc=ocsf+https://user:secret@siem.example soc=ocsf+https://siem.example/#part soc=ocsf+https://['.split(' '),
    ...'soc=ocsf+syslogs://siem.example/path soc=ocsf+syslogs://siem.example?a=b'.split(' '),
    ...'a=ocsf+https://a.example,a=ecs+https://b.example'.split(' '),
    Array.from({ length: 9 }, (_, n) => `e${n}=ocsf+https://e.example/${n}`).join(','),
  ])('SIEM_TARGETS=%s is refused', (text) => expect(refused({ SIEM_TARGETS: text })).toEqual(['SIEM_TARGETS']));

  test.each(['http://10.0.0.7/in', 'syslog://10.0.0.7:514'])(
    '%s, without TLS, is refused unless private networks are allowed',
    (url) => {
      const env = { SIEM_TARGETS: `soc=ecs+${url}` };
      expect([refused(env), refused({ ...env, SIEM_PRIVATE: 'true' })]).toEqual([['SIEM_TARGETS'], []]);
    },
  );

  test('credentials are those of https targets, and nothing else', () => {
    const env = { SIEM_TARGETS: 'a=ocsf+https://a.example,b=ocsf+syslogs://b.example' };
    expect([...loadConfig({ ...env, SIEM_AUTHORIZATION: 'a=Splunk 1 2, ' }).siem.authorization]).toEqual([
      ['a', 'Splunk 1 2'],
    ]);
    for (const text of ['b=Bearer x', 'c=Bearer x', 'a=x', 'Bearer x'])
      expect(refused({ ...env, SIEM_AUTHORIZATION: text })).toEqual(['SIEM_AUTHORIZATION']);
  });

  test('a certificate needs its key', () => {
    expect(refused({ SIEM_TLS_CERT_FILE: '/c.pem' })).toEqual(['SIEM_TLS_CERT_FILE']);
    expect(refused({ SIEM_TLS_KEY_FILE: '/k.pem' })).toEqual(['SIEM_TLS_CERT_FILE']);
    expect(refused({ SIEM_TLS_CERT_FILE: '/c.pem', SIEM_TLS_KEY_FILE: '/k.pem' })).toEqual([]);
  });
});

describe('social', () => {
  test('without settings there is no provider and no problem', () =>
    expect(socialProvidersOf(loadConfig({}).social)).toEqual({}));

  test('providers come from the short settings first, then from the JSON', () => {
    const { social } = loadConfig({
      GOOGLE_CLIENT_ID: 'a',
      GOOGLE_CLIENT_SECRET: 'b',
      GITHUB_CLIENT_ID: 'c',
      GITHUB_CLIENT_SECRET: 'd',
      OIDC_ISSUER: 'https://login.example.test/',
      OIDC_CLIENT_ID: 'e',
      SOCIAL_PROVIDERS:
        '{"gitlab":{"clientId":"f","clientSecret":"g","scopes":["read_user"]},"google":{"clientId":"x"}}',
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
});
