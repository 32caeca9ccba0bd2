import { type AppError, defineError } from '#services/platform/define/error.ts';

export const importUnknown = defineError({
  code: 'import_unknown',
  status: 404,
  title: 'Import not found',
  cause: 'No import has this id, or it was removed 90 days after it ended.',
  fix: 'sallyport import status lists the imports.',
});

export const importOvertaken = defineError({
  code: 'import_overtaken',
  status: 409,
  title: 'Another process imports this file',
  cause: 'Two processes import the same file with the same mapping, and the other one has written a batch meanwhile.',
  fix: 'Let the other process finish; sallyport import status shows how far it is.',
});

export const importSourceChanged = defineError({
  code: 'import_source_changed',
  status: 409,
  title: 'The source changed since the import stopped',
  cause: 'Users before the place where the import stopped were changed, added or removed, so it cannot go on there.',
  fix: 'Import the source again: users who are here and did not change stay as they are.',
});

/** `detail` names the role. */
export const importRoleUnknown = defineError({
  code: 'import_role_unknown',
  title: 'The mapping names a role that does not exist',
  cause: 'Roles are granted only if the mapping names them and they exist here.',
  fix: 'Create the role with sallyport roles create, or map it to null to leave it out.',
});

/** `detail` names the kinds. */
export const importKindUnknown = defineError({
  code: 'import_kind_unknown',
  title: 'Users of this kind of system cannot be imported',
  cause: 'No adapter reads exports of this kind.',
  fix: 'Use a kind that `detail` names; csv and ndjson with a mapping read files of any origin.',
});

/** `detail` says what the file seems to be. */
export const importFileUnreadable = defineError({
  code: 'import_file_unreadable',
  title: 'The file cannot be read',
  cause: 'The file as a whole is not what this kind of import reads, so no record of it was looked at.',
  fix: 'Do what `detail` says, and import the file again. Nothing was imported.',
});

export const importsBusy = defineError({
  code: 'imports_busy',
  status: 409,
  title: 'Too many imports are waiting',
  cause: 'Ten uploaded files are not imported yet, or another file is being checked.',
  fix: 'Wait until one has ended, or import the file with sallyport import.',
  retryable: true,
});

export const importNotSealed = defineError({
  code: 'import_not_sealed',
  status: 409,
  title: 'The import has no certificate yet',
  cause: 'The import has not ended, or its last event is not in the sealed audit log yet.',
  fix: 'Wait until it has ended and a worker has sealed its event, then ask again.',
  retryable: true,
});

export const importedUserUnknown = defineError({
  code: 'imported_user_unknown',
  status: 404,
  title: 'The other system has no such user',
  cause: 'The other system has no user with this id, the user was not imported from it, or was deleted here.',
  fix: 'sallyport import status counts the users of each system.',
});

/** `detail` names the reason. */
export const recordRejected = defineError({
  code: 'record_rejected',
  status: 422,
  title: 'The user cannot be imported',
  cause: 'The record of the other system is not one of a user here, as without an address or with one that is taken.',
  fix: 'Correct the record there, or accept that the user stays there.',
});

/** A file that ends well, and has no such list. */
export const listMissing = (name: string): AppError =>
  importFileUnreadable({
    detail: `It is complete, and has no list \`${name}\`. Export it with its users in the same file, or import the files that hold them.`,
  });
