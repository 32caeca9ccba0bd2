import { describe, expect, test } from 'vitest';
import { pushedByDefault } from '#services/modules.ts';
import { ConfigError, loadConfig } from './load.ts';
import { socialProvidersOf } from './social.ts';

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

describe('audit', () => {
  const VKEY = 'witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY';

  test('heads are written to files by default', () => {
    expect(loadConfig({}).audit).toMatchObject({ sinks: ['file'], witnesses: [], logOrigin: undefined });
  });

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
    expect(refused(kept)).toEqual(['RESTORE_DRILL_URL']);
    expect(refused({ ...drill, ...kept })).toEqual([]);
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
    'https://siem.example',
    'Siem=https://siem.example',
    'siem=ftp://siem.example',
    'siem=https://user:secret@siem.example',
    'siem=https://siem.example/#part',
    'siem=https://[',
    'a=https://a.example,a=https://b.example',
    Array.from({ length: 9 }, (_, n) => `e${n}=https://e.example/${n}`).join(','),
  ])('HANDOFF_ENDPOINTS=%s is refused', (text) => {
    expect(refused({ HANDOFF_ENDPOINTS: text })).toEqual(['HANDOFF_ENDPOINTS']);
  });

  test('plain http is refused unless private networks are allowed', () => {
    const env = { HANDOFF_ENDPOINTS: 'siem=http://10.0.0.7/in' };
    expect(refused(env)).toEqual(['HANDOFF_ENDPOINTS']);
    expect(refused({ ...env, HANDOFF_PRIVATE: 'true' })).toEqual([]);
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

  test('what is pushed by default may also be configured', () => {
    expect(loadConfig({ HANDOFF_TYPES: pushedByDefault.join(',') }).handoff.types).toEqual(pushedByDefault);
  });
});

describe('marks', () => {
  const s3 = {
    MARK_STORE: 's3',
    MARK_S3_URL: 'https://bucket.example/marks/',
    MARK_S3_ACCESS_KEY_ID: 'id',
    MARK_S3_SECRET_ACCESS_KEY: 'secret',
  };

  test('high-water marks are files by default', () => {
    expect(loadConfig({}).marks).toMatchObject({ store: 'file', s3Url: undefined });
  });

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
    'https://siem.example',
    'soc=https://siem.example',
    'soc=cef+https://siem.example',
    'Soc=ocsf+https://siem.example',
    'soc=ocsf+ftp://siem.example',
    'soc=ocsf+https://user:secret@siem.example',
    'soc=ocsf+https://siem.example/#part',
    'soc=ocsf+https://[',
    'soc=ocsf+syslogs://siem.example/path',
    'soc=ocsf+syslogs://siem.example?a=b',
    'a=ocsf+https://a.example,a=ecs+https://b.example',
    Array.from({ length: 9 }, (_, n) => `e${n}=ocsf+https://e.example/${n}`).join(','),
  ])('SIEM_TARGETS=%s is refused', (text) => {
    expect(refused({ SIEM_TARGETS: text })).toEqual(['SIEM_TARGETS']);
  });

  test.each(['http://10.0.0.7/in', 'syslog://10.0.0.7:514'])(
    '%s, without TLS, is refused unless private networks are allowed',
    (url) => {
      const env = { SIEM_TARGETS: `soc=ecs+${url}` };
      expect(refused(env)).toEqual(['SIEM_TARGETS']);
      expect(refused({ ...env, SIEM_PRIVATE: 'true' })).toEqual([]);
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
