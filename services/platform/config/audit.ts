import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { optionalText, optionalUrl, someOf, textOr, wholeNumber, witnessList } from './shapes.ts';

export const auditSettings = defineSettings({
  logOrigin: {
    env: 'AUDIT_LOG_ORIGIN',
    schema: optionalText(128),
    use: 'Permanent name (origin) of the audit log, without spaces or +. An existing log keeps its name. Unset: the host of BETTER_AUTH_URL followed by /audit.',
    example: 'auth.example.com/audit',
  },
  outboxDays: {
    env: 'AUDIT_OUTBOX_DAYS',
    schema: wholeNumber(3, 1, 90),
    use: 'Number of days for which sealed events stay in the outbox table.',
  },
  sinks: {
    env: 'AUDIT_CHECKPOINT_SINKS',
    schema: someOf(['file', 'witness', 's3'], 'file'),
    use: 'Where checkpoints (signed heads of the audit log) are sent: one or more of file, witness and s3, comma separated.',
  },
  folder: {
    env: 'AUDIT_CHECKPOINT_DIR',
    schema: optionalText(1_024),
    use: 'Folder of the file sink; unset: audit/checkpoints in SALLYPORT_DATA_DIR.',
  },
  witnesses: {
    env: 'AUDIT_WITNESSES',
    schema: witnessList(),
    use: 'Witnesses that cosign: pairs of verifier key and URL, separated by commas.',
  },
  tileMemoryMegabytes: {
    env: 'AUDIT_TILE_MEMORY_MB',
    schema: wholeNumber(16, 0, 4_096),
    use: 'Memory in each API process that caches tiles of the public audit log for a second, MB; 0: no cache.',
  },
  s3Url: {
    env: 'AUDIT_S3_URL',
    schema: optionalUrl(),
    use: 'Bucket and prefix of the s3 sink.',
    example: 'https://bucket.s3.eu-central-1.amazonaws.com/audit',
  },
  s3Region: { env: 'AUDIT_S3_REGION', schema: textOr('us-east-1', 64), use: 'Region of the bucket.' },
  s3AccessKeyId: { env: 'AUDIT_S3_ACCESS_KEY_ID', schema: optionalText(256), use: 'Access key id for the s3 sink.' },
  s3SecretAccessKey: {
    env: 'AUDIT_S3_SECRET_ACCESS_KEY',
    schema: optionalText(256),
    use: 'Secret access key for the s3 sink.',
    secret: true,
  },
});

/** Problems that make audit settings unusable or ineffective. */
export const auditProblems = (audit: SettingsOf<typeof auditSettings>, isProduction: boolean): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (audit.logOrigin !== undefined && !/^[^\s+\p{Cc}]+$/u.test(audit.logOrigin))
      refuse(
        'AUDIT_LOG_ORIGIN',
        'has a space, a plus sign or a control character',
        'write it as auth.example.com/audit',
      );
    if (isProduction && audit.sinks.length === 0)
      refuse('AUDIT_CHECKPOINT_SINKS', 'is empty under production', 'name file, witness or s3');
    if (audit.sinks.includes('witness') && audit.witnesses.length === 0)
      refuse('AUDIT_WITNESSES', 'is not set while AUDIT_CHECKPOINT_SINKS names witness', 'set `<vkey> <url>`');
    if (!audit.sinks.includes('s3')) return;
    for (const [env, value] of [
      ['AUDIT_S3_URL', audit.s3Url],
      ['AUDIT_S3_ACCESS_KEY_ID', audit.s3AccessKeyId],
      ['AUDIT_S3_SECRET_ACCESS_KEY', audit.s3SecretAccessKey],
    ] as const)
      if (value === undefined)
        refuse(env, 'is not set while AUDIT_CHECKPOINT_SINKS names s3', 'set it, or leave s3 out');
    if (isProduction && audit.s3Url?.startsWith('http:'))
      refuse('AUDIT_S3_URL', 'is not https under production', 'use the https URL of the bucket');
  });
