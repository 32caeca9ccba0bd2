import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { oneOf, optionalText, optionalUrl, textOr } from './shapes.ts';

export const markSettings = defineSettings({
  store: {
    env: 'MARK_STORE',
    schema: oneOf(['file', 's3'], 'file'),
    use: 'Where the high-water marks are stored. They record, outside the database, the newest state that it committed; a restored backup is older than they are and is refused. file: SALLYPORT_DATA_DIR, for one machine. s3: an object store with conditional writes, for any number of machines.',
  },
  s3Url: {
    env: 'MARK_S3_URL',
    schema: optionalUrl(),
    use: 'Bucket and prefix of the high-water marks; one per installation.',
    example: 'https://bucket.s3.eu-central-1.amazonaws.com/marks',
  },
  s3Region: { env: 'MARK_S3_REGION', schema: textOr('us-east-1', 64), use: 'Region of the bucket.' },
  s3AccessKeyId: {
    env: 'MARK_S3_ACCESS_KEY_ID',
    schema: optionalText(256),
    use: 'Access key id that may read and write below MARK_S3_URL. Do not give it the right to delete.',
  },
  s3SecretAccessKey: {
    env: 'MARK_S3_SECRET_ACCESS_KEY',
    schema: optionalText(256),
    use: 'Secret access key of MARK_S3_ACCESS_KEY_ID.',
    secret: true,
  },
});

export type MarkConfig = SettingsOf<typeof markSettings>;

/** Problems that make the settings of high-water marks unusable or ineffective. */
export const markProblems = (marks: MarkConfig, isProduction: boolean): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (marks.store !== 's3') return;
    for (const [env, value] of [
      ['MARK_S3_URL', marks.s3Url],
      ['MARK_S3_ACCESS_KEY_ID', marks.s3AccessKeyId],
      ['MARK_S3_SECRET_ACCESS_KEY', marks.s3SecretAccessKey],
    ] as const)
      if (value === undefined) refuse(env, 'is not set while MARK_STORE is s3', 'set it, or unset MARK_STORE');
    if (isProduction && marks.s3Url?.startsWith('http:'))
      refuse('MARK_S3_URL', 'is not https under production', 'use the https URL of the bucket');
  });
