import { defineError } from '#services/platform/define/error.ts';

export const signingUnavailable = defineError({
  code: 'signing_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Signing temporarily unavailable',
  cause:
    'This API process has not confirmed its keys in PostgreSQL for KEY_RING_BOUND_SECONDS, its clock differs from the database by more than 5 s, or too many tokens are waiting for a signature.',
  fix: 'Try again after Retry-After; operators: check PostgreSQL, the clock (NTP) and /readyz.',
  retryable: true,
});

export const clockWrong = defineError({
  code: 'clock_wrong',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Server clock out of sync',
  cause:
    'The clock of this API process differs from the database by more than 5 s, so the process cannot decide which tokens have expired.',
  fix: 'Try again after Retry-After; another API process may answer. Operators: check the clock (NTP) and /readyz.',
  retryable: true,
});

export const keyUnknown = defineError({
  code: 'key_unknown',
  status: 404,
  title: 'Key not found',
  cause: 'No key of this installation has this kid, or its history was removed.',
  fix: 'List the keys with GET /v1/keys.',
  retryable: false,
});
