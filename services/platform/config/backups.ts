import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { optionalText, optionalUrl, textOr } from './shapes.ts';

export const backupSettings = defineSettings({
  s3Endpoint: {
    env: 'BACKUP_S3_ENDPOINT',
    schema: optionalUrl(),
    use: 'Endpoint of an S3-compatible store for backups, which takes the bucket as first part of the path. Unset: Amazon S3 in BACKUP_S3_REGION.',
    example: 'https://minio.example.com',
  },
  s3Region: { env: 'BACKUP_S3_REGION', schema: textOr('us-east-1', 64), use: 'Region of the bucket of backups.' },
  s3AccessKeyId: {
    env: 'BACKUP_S3_ACCESS_KEY_ID',
    schema: optionalText(256),
    use: 'Access key id for backups at s3://bucket/key. It puts and gets objects, and lists and aborts uploads; it need not delete.',
  },
  s3SecretAccessKey: {
    env: 'BACKUP_S3_SECRET_ACCESS_KEY',
    schema: optionalText(256),
    use: 'Secret access key of BACKUP_S3_ACCESS_KEY_ID.',
    secret: true,
  },
});

export type BackupConfig = SettingsOf<typeof backupSettings>;

/** Problems that make settings of backups unsafe. */
export const backupProblems = ({ s3Endpoint }: BackupConfig, isProduction: boolean): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (isProduction && s3Endpoint?.startsWith('http:'))
      refuse('BACKUP_S3_ENDPOINT', 'is not https under production', 'use the https URL of the store');
  });
