import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './load.ts';

const VKEY = 'witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY';

const refused = (env: Record<string, string>): string[] => {
  try {
    loadConfig(env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems.map((problem) => problem.env);
    throw err;
  }
  return [];
};

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
  expect(refused({ SALLYPORT_PROFILE: 'production', AUDIT_CHECKPOINT_SINKS: ' ' })).toContain('AUDIT_CHECKPOINT_SINKS');
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
