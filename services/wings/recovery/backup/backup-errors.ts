import { defineError } from '#services/platform/define/error.ts';

export const backupDamaged = defineError({
  code: 'backup_damaged',
  status: 422,
  title: 'Backup damaged',
  cause: 'Bytes of the backup were changed, exchanged or added after it was written; `detail` names where.',
  fix: 'Use another copy of this backup, or an older backup.',
});

export const backupTruncated = defineError({
  code: 'backup_truncated',
  status: 422,
  title: 'Backup truncated',
  cause: 'The end of the backup is missing: it was cut while it was copied, or is still being copied.',
  fix: 'Copy the backup again, or use another copy of it.',
});

export const backupUnknownFormat = defineError({
  code: 'backup_unknown_format',
  status: 422,
  title: 'Not a backup of this product',
  cause: 'The file does not begin as `sallyport backup` writes it, or a later version wrote it.',
  fix: 'Name a file that `sallyport backup` wrote, or use the version that wrote it.',
});

export const backupKeyWrong = defineError({
  code: 'backup_key_wrong',
  status: 422,
  title: 'Backup encrypted with another key',
  cause: 'The key file is not the one that the backup was made with.',
  fix: 'Pass the --key-file of that backup.',
});

export const backupOvertaken = defineError({
  code: 'backup_overtaken',
  status: 409,
  title: 'Data destroyed while the backup was written',
  cause:
    'A person was erased, or keys of health data were shredded, after the backup began: it would still hold what was destroyed. No file was written.',
  fix: 'Back up again.',
  retryable: true,
});

export const backupSchemaOlder = defineError({
  code: 'backup_schema_older',
  status: 409,
  title: 'Backup of an older schema',
  cause: 'The backup was made before some of the migrations of this version; `detail` names its version.',
  fix: 'Restore it with the version that made it, then upgrade and run: sallyport migrate up',
});

export const backupSchemaUnknown = defineError({
  code: 'backup_schema_unknown',
  status: 409,
  title: 'Backup of a schema that this version does not know',
  cause: 'The backup was made by a later version, or by one whose migrations differ; `detail` names its version.',
  fix: 'Restore it with the version that made it.',
});

export const backupOtherInstallation = defineError({
  code: 'backup_other_installation',
  status: 409,
  title: 'Backup of another installation',
  cause:
    'The backup was made under another key-encryption key, or the high-water marks of this machine belong to another installation; `detail` says which.',
  fix: 'Set KEY_ENCRYPTION_KEY and SALLYPORT_DATA_DIR (or MARK_S3_URL) to those of the installation that made the backup.',
});

export const restoreTargetUsed = defineError({
  code: 'restore_target_used',
  status: 409,
  title: 'Database to restore into not empty',
  cause: 'A backup is restored only into a database without tables, or one that was migrated and never used.',
  fix: 'Create an empty database, and name it in --into.',
});

export const restoreInProgress = defineError({
  code: 'restore_in_progress',
  status: 409,
  title: 'Another restore is filling this database',
  cause: 'Another session holds the lock of restores in this database.',
  fix: 'Wait for the other restore, or name another database in --into.',
});

export const restoreMismatch = defineError({
  code: 'restore_mismatch',
  status: 422,
  title: 'Restored rows differ from the backup',
  cause: 'A table was read back and is not what the backup holds; `detail` names it. Nothing was kept.',
  fix: 'Check the disk and the memory of the database server, and restore again.',
});

export const feedInvalid = defineError({
  code: 'feed_invalid',
  status: 422,
  title: 'Feed segment not authentic',
  cause:
    'A segment is no answer of GET /v1/revocations, or is not signed by a key of this database that is still trusted; `detail` names it.',
  fix: 'Leave that segment out, or fetch it again from where it was kept.',
});

export const feedOfAnother = defineError({
  code: 'feed_of_another',
  status: 409,
  title: 'Feed of another incarnation',
  cause:
    'The segments, or the high-water marks, are of another incarnation than the database: their epochs cannot be compared.',
  fix: 'Use the segments of this database. If the loss was accepted elsewhere, run: sallyport restore --accept-loss',
});

export const feedIncomplete = defineError({
  code: 'feed_incomplete',
  status: 409,
  title: 'Feed does not prove all that is missing',
  cause:
    'Between the database and the newest epoch that is known, some revocations are in no segment; `detail` names them.',
  fix: 'Add the segments of these epochs. If they are lost, run: sallyport restore --accept-loss',
});
