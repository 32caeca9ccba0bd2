import { defineError } from '../define/error.ts';

export const backupPlaceInvalid = defineError({
  code: 'backup_place_invalid',
  title: 'Place of the backup not usable',
  cause: 'A backup is kept in a file, or as an object s3://bucket/key with BACKUP_S3_ACCESS_KEY_ID and its secret set.',
  fix: 'Name a file or s3://bucket/key, and set BACKUP_S3_ACCESS_KEY_ID and BACKUP_S3_SECRET_ACCESS_KEY.',
});

export const backupNotFound = defineError({
  code: 'backup_not_found',
  status: 404,
  title: 'No such object in the object store',
  cause: 'The bucket has no object of this key.',
  fix: 'Check the key, and that the backup command ended without an error.',
});

export const backupStoreUnavailable = defineError({
  code: 'backup_store_unavailable',
  status: 503,
  title: 'Object store does not answer',
  cause:
    'The object store could not be reached, or failed several times in a row. An upload that was begun was not completed: no object of it is visible.',
  fix: 'Check BACKUP_S3_ENDPOINT and the store, and run the command again.',
});

export const backupStoreRefused = defineError({
  code: 'backup_store_refused',
  status: 409,
  title: 'Object store refused',
  cause:
    'The object store refused a request; `detail` has its status and code. No object is visible of an upload that was begun.',
  fix: 'Check the bucket, BACKUP_S3_REGION, and that the access key may put, get and list objects and abort uploads.',
});

export const backupPlaceFull = defineError({
  code: 'backup_place_full',
  status: 507,
  title: 'Disk of the backup full',
  cause:
    'The file system of the backup file has no room left. What was written is removed, and an earlier backup of that name is as it was.',
  fix: 'Free space, or name another disk or an object store, and back up again.',
});

export const restoreTargetFull = defineError({
  code: 'restore_target_full',
  status: 507,
  title: 'Disk of the database to restore into full',
  cause: 'PostgreSQL found no room (53100) while it took the rows. All of them are undone.',
  fix: 'Free space on the disk of that PostgreSQL, and restore again into the same database.',
});

export const backupKeyFileInvalid = defineError({
  code: 'backup_key_file_invalid',
  status: 500,
  title: 'Key file of the backup not usable',
  cause: 'The file that RESTORE_DRILL_KEY_FILE names cannot be read by the worker, or does not hold 32 bytes.',
  fix: 'Give the worker the key of the backup, as a file with 32 bytes, or the same in hex or base64.',
});

export const restoreDrillNotAllowed = defineError({
  code: 'restore_drill_not_allowed',
  status: 500,
  title: 'The login of RESTORE_DRILL_URL may not create databases',
  cause:
    'A rehearsal restores into a database of its own, which it creates and drops. PostgreSQL refused to create it.',
  fix: 'As a superuser of that server: ALTER ROLE <login> CREATEDB. It needs no other right, and none on the installation.',
});
