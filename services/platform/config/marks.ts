import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { oneOf, optionalText, optionalUrl, text } from './shapes.ts';

export const markSettings = defineSettings({
  store: {
    env: 'MARK_STORE',
    schema: oneOf(['file', 's3'], 'file'),
    use: 'Where the marks are kept that a restored database must not fall behind: file (SALLYPORT_DATA_DIR, one machine) or s3 (an object store with conditional writes, any number of machines).',
  },
  s3Url: {
    env: 'MARK_S3_URL',
    schema: optionalUrl(),
    use: 'Bucket and prefix of the marks; one for each installation.',
    example: 'https://bucket.s3.eu-central-1.amazonaws.com/marks',
  },
  s3Region: { env: 'MARK_S3_REGION', schema: text('us-east-1', 64), use: 'Region of the bucket.' },
  s3AccessKeyId: {
    env: 'MARK_S3_ACCESS_KEY_ID',
    schema: optionalText(256),
    use: 'Credentials that read and write below MARK_S3_URL, and can delete nothing.',
  },
  s3SecretAccessKey: {
    env: 'MARK_S3_SECRET_ACCESS_KEY',
    schema: optionalText(256),
    use: 'Credentials of the marks.',
    secret: true,
  },
});

export type MarkConfig = SettingsOf<typeof markSettings>;

/** What makes the mark settings unusable or worth nothing. */
export function markProblems(
  marks: MarkConfig,
  isProduction: boolean,
): { readonly env: string; readonly problem: string; readonly fix: string }[] {
  if (marks.store !== 's3') return [];
  const given = [
    ['MARK_S3_URL', marks.s3Url],
    ['MARK_S3_ACCESS_KEY_ID', marks.s3AccessKeyId],
    ['MARK_S3_SECRET_ACCESS_KEY', marks.s3SecretAccessKey],
  ] as const;
  const problems = given.flatMap(([env, value]) =>
    value === undefined
      ? [{ env, problem: 'is not set while MARK_STORE is s3', fix: 'set it, or unset MARK_STORE' }]
      : [],
  );
  if (isProduction && marks.s3Url?.startsWith('http:'))
    problems.push({ env: 'MARK_S3_URL', problem: 'is not https under production', fix: 'reach the bucket over TLS' });
  return problems;
}
