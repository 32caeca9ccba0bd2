import { defineError } from '#services/platform/define/error.ts';

export const signingUnavailable = defineError({
  code: 'signing_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'This copy cannot sign at the moment',
  cause:
    'Its key ring is older than KEY_RING_BOUND_SECONDS, its clock is more than 5 s from the database, or too many tokens wait for a signature.',
  fix: 'Try again after Retry-After; operators: check PostgreSQL, the clock (NTP) and /readyz.',
  retryable: true,
});

export const clockWrong = defineError({
  code: 'clock_wrong',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'The clock of this copy is wrong',
  cause: 'Its clock is more than 5 s from the database, so it cannot tell which tokens have expired.',
  fix: 'Try again after Retry-After, or at another copy; operators: check the clock (NTP) and /readyz.',
  retryable: true,
});

export const keyUnknown = defineError({
  code: 'key_unknown',
  status: 404,
  title: 'There is no such key',
  cause: 'No key of this installation has this kid, or its history has been removed.',
  fix: 'List the keys with GET /v1/keys.',
  retryable: false,
});
