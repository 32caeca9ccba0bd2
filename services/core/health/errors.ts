import { defineError } from '#services/platform/define/error.ts';

/** Fields of /readyz next to its components. Not a problem document, because its `status` is a word. */
export const notReady = defineError({
  code: 'not_ready',
  status: 503,
  title: 'Server not ready to serve requests',
  cause: 'PostgreSQL is unreachable, the keys or the revocations are stale, or the process is shutting down.',
  fix: 'Retry after Retry-After; another API process may answer. Operators: `components` in the response names what is not ok.',
  retryable: true,
});

/** A refusal by Bull Board; the response also carries its `error`, for its page. */
export const queueChangeRefused = defineError({
  code: 'queue_change_refused',
  title: 'Queue change refused',
  cause: 'The job is not in a state that allows this change, or the request does not match it.',
  fix: 'Reload the job and check its state; `error` says what is wrong.',
});

export const deadLetterUnknown = defineError({
  code: 'dead_letter_unknown',
  status: 404,
  title: 'Dead letter not found',
  cause:
    'No job of this queue that used up its attempts has this id: it was retried or discarded, or is older than a month.',
  fix: 'GET /v1/admin/dead-letters lists the dead letters.',
});

export const rollbackIncompatible = defineError({
  code: 'rollback_incompatible',
  status: 409,
  title: 'Rollback refused',
  cause: 'The older version cannot run on this database, or a migration in between cannot be taken back.',
  fix: 'Read the reason. `sallyport releases list` shows the versions that ran; if none of them will do, restore a backup.',
});
