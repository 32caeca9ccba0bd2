import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './load.ts';

function refused(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems.map((problem) => problem.env);
    throw err;
  }
  return [];
}

test('production sends backups to an object store over TLS only, on this machine too', () => {
  for (const endpoint of ['http://minio.example', 'http://127.0.0.1:9000']) {
    expect(refused({ BACKUP_S3_ENDPOINT: endpoint })).toEqual([]);
    expect(refused({ BACKUP_S3_ENDPOINT: endpoint, SALLYPORT_PROFILE: 'production' })).toContain('BACKUP_S3_ENDPOINT');
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
