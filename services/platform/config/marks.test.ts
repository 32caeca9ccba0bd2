import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './load.ts';

const s3 = {
  MARK_STORE: 's3',
  MARK_S3_URL: 'https://bucket.example/marks/',
  MARK_S3_ACCESS_KEY_ID: 'id',
  MARK_S3_SECRET_ACCESS_KEY: 'secret',
};
const refused = (env: Record<string, string>): string[] => {
  try {
    loadConfig(env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems.map((problem) => problem.env);
    throw err;
  }
  return [];
};

test('high-water marks are files by default', () => {
  expect(loadConfig({}).marks).toMatchObject({ store: 'file', s3Url: undefined });
});

test('MARK_STORE=s3 needs address and credentials, and TLS under production', () => {
  expect(loadConfig(s3).marks).toMatchObject({ store: 's3', s3Url: 'https://bucket.example/marks' });
  expect(refused({ MARK_STORE: 's3' })).toEqual(['MARK_S3_URL', 'MARK_S3_ACCESS_KEY_ID', 'MARK_S3_SECRET_ACCESS_KEY']);
  expect(refused({ MARK_STORE: 'paper' })).toEqual(['MARK_STORE']);
  const plain = { ...s3, MARK_S3_URL: 'http://bucket.example/marks' };
  expect(refused(plain)).toEqual([]);
  expect(refused({ ...plain, SALLYPORT_PROFILE: 'production' })).toContain('MARK_S3_URL');
});
