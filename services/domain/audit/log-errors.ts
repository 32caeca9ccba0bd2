import { defineError } from '#services/platform/define/error.ts';

export const auditLogKeyMissing = defineError({
  code: 'audit_log_key_missing',
  status: 503,
  title: 'The audit log has no key to sign with',
  cause: 'No API has been started on this database yet, or the key’s private part is gone.',
  fix: 'Start the API: it makes the key. Events are sealed meanwhile, and the checkpoint follows.',
  retryable: true,
});

export const nothingToContinue = defineError({
  code: 'audit_nothing_to_continue',
  status: 409,
  title: 'The audit log has lost nothing',
  cause: 'The database is at the head of the log that is kept outside it; sealing goes on as it is.',
  fix: 'None needed. After restoring a backup, look again once a worker has run.',
  retryable: false,
});
