import { defineError } from '#services/platform/define/error.ts';

export const auditLogKeyMissing = defineError({
  code: 'audit_log_key_missing',
  status: 503,
  title: 'The audit log has no signing key',
  cause: 'No API process has started on this database yet, or the private key is missing.',
  fix: 'Operators: start the API, which creates the key. Events are sealed in the meantime, and a checkpoint is signed once the key exists.',
});

export const nothingToContinue = defineError({
  code: 'audit_nothing_to_continue',
  status: 409,
  title: 'The audit log has no loss to accept',
  cause: 'The database has reached the high-water mark kept outside it, so sealing continues.',
  fix: 'You need not do anything. If you have just restored a backup, check again after a worker has run.',
});
