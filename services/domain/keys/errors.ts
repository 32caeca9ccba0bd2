import { defineError } from '#services/platform/define/error.ts';

export const signingUnavailable = defineError({
  code: 'signing_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Signing temporarily unavailable',
  cause:
    'The key ring of this copy is older than KEY_RING_BOUND_SECONDS, its clock differs from the database by more than 5 s, or too many tokens are waiting for a signature.',
  fix: 'Try again after Retry-After; operators: check PostgreSQL, the clock (NTP) and /readyz.',
  retryable: true,
});

export const clockWrong = defineError({
  code: 'clock_wrong',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Clock of this copy out of sync',
  cause: 'Its clock differs from the database by more than 5 s, so it cannot decide which tokens have expired.',
  fix: 'Try again after Retry-After, or on another copy; operators: check the clock (NTP) and /readyz.',
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
