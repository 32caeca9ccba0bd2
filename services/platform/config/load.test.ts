import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError, keyEncryptionKeyOf, loadConfig, profileWarning } from './load.ts';

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
    expect(refused(production())).toEqual([]);
    expect(refused({})).toEqual([]);
  });

  test.each([
    ['BETTER_AUTH_SECRET', 'short'],
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
      const folder = await mkdtemp(join(tmpdir(), 'sallyport-config-'));
      onTestFinished(() => rm(folder, { recursive: true }));
      const file = join(folder, 'key');
      await writeFile(file, `${one}\n`);
      const fromFile = { ...twice, KEY_ENCRYPTION_KEY: '', KEY_ENCRYPTION_KEY_FILE: file };
      expect(refused(fromFile)).toEqual(['KEY_ENCRYPTION_KEY_FILE']);
      // Allowed, so that an operator can re-encrypt under another key.
      expect(refused({ ...twice, KEY_ENCRYPTION_KEY_PREVIOUS: one })).toEqual([]);
      expect(refused({ BETTER_AUTH_SECRET: one, KEY_ENCRYPTION_KEY: one })).toEqual([]);
    },
  );

  test('production names every secret that is missing', () => {
    expect(refused({ SALLYPORT_PROFILE: 'production' })).toEqual([
      'BETTER_AUTH_SECRET',
      'KEY_ENCRYPTION_KEY',
      'BETTER_AUTH_URL',
    ]);
  });

  test('production refuses an MCP server without TLS', () => {
    expect(refused({ ...production(), MCP_URL: 'http://mcp.example' })).toEqual(['MCP_URL']);
    expect(refused({ ...production(), MCP_URL: 'https://mcp.example' })).toEqual([]);
  });

  test('a start without any process is refused; a start of one kind only is not', () => {
    const none = { API_COPIES: '0', WORKER_COPIES: '0', MCP_COPIES: '0' };
    expect(refused(none)).toEqual(['API_COPIES']);
    expect(refused({ ...none, WORKER_COPIES: '1' })).toEqual([]);
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
  test.each([
    'null',
    '*',
    'https://*.example.test',
    'https://app.example.test/',
    'https://App.example.test',
    'javascript:x',
  ])('CORS_ORIGINS=%s is refused: browsers send no such origin', (origin) => {
    expect(refused({ CORS_ORIGINS: `https://good.example.test,${origin}` })).toEqual(['CORS_ORIGINS']);
  });

  test('origins with a port are kept as written', () => {
    const { server } = loadConfig({ CORS_ORIGINS: 'https://a.example.test, http://localhost:5173' });
    expect(server.corsOrigins).toEqual(['https://a.example.test', 'http://localhost:5173']);
  });
});

describe('CVE-2026-92395: proxies whose X-Forwarded-For is trusted', () => {
  test.each([
    'nonsense',
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '::ffff:10.0.0.0/8',
    '10.0.0/8',
    '10.0.0.0/',
  ])('TRUSTED_PROXIES=%s is refused', (range) => {
    expect(refused({ TRUSTED_PROXIES: range })).toEqual(['TRUSTED_PROXIES']);
  });

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
])('%s=%s is accepted', (env, value) => {
  expect(() => loadConfig({ [env]: value })).not.toThrow();
});
