import { defineError } from '#services/platform/define/error.ts';

export const auditLogKeyMissing = defineError({
  code: 'audit_log_key_missing',
  status: 503,
  title: 'The audit log has no signing key',
  cause: 'No API has started on this database yet, or the private key is missing.',
  fix: 'Start the API: it creates the key. Events are sealed meanwhile, and the checkpoint follows.',
  retryable: true,
});

export const nothingToContinue = defineError({
  code: 'audit_nothing_to_continue',
  status: 409,
  title: 'The audit log has no loss to accept',
  cause: 'The database has reached the high-water mark kept outside it, so sealing continues.',
  fix: 'Nothing to do. After restoring a backup, check again once a worker has run.',
  retryable: false,
});
