import { defineError } from '#services/platform/define/error.ts';

export const nothingToAccept = defineError({
  code: 'nothing_to_accept',
  status: 409,
  title: 'The database is at its marks: nothing was lost',
  cause: 'Accepting a loss ends every session and token, and this database shows none.',
  fix: 'Nothing needs to be done. To end everything all the same, add --force.',
  retryable: false,
});

/** What /readyz says beside its components; it is no problem document, as `status` is a word there. */
export const notReady = defineError({
  code: 'not_ready',
  status: 503,
  title: 'This copy should be sent no requests now',
  cause: 'PostgreSQL, the keys or the revocations are out of reach or stale, or the process is stopping.',
  fix: 'Ask another copy, or again after Retry-After; the components of the answer name what is not ok.',
  retryable: true,
});

/** Bull Board's own refusal; its answer rides along for its page. */
export const queueChangeRefused = defineError({
  code: 'queue_change_refused',
  status: 400,
  title: 'The queue board refuses this',
  cause: 'The job is in another state than the change is for, or the request does not fit it.',
  fix: 'Look at the job again; `error` says what was wrong.',
  retryable: false,
});
