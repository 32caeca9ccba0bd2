import { defineError } from '#services/platform/define/error.ts';

export const signingUnavailable = defineError({
  code: 'signing_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Signing temporarily unavailable',
  cause:
    'This API process has not confirmed its keys in PostgreSQL for KEY_RING_BOUND_SECONDS, its clock differs from the database by more than 5 s, too many tokens are waiting for a signature, the replacement of a compromised key is not loaded yet, or no key signs with the algorithm that the client is registered for.',
  fix: 'Try again after Retry-After; operators: check PostgreSQL, the clock (NTP) and /readyz.',
});

export const clockWrong = defineError({
  code: 'clock_wrong',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Server clock out of sync',
  cause:
    'The clock of this API process differs from the database by more than 5 s, so the process cannot decide which tokens have expired.',
  fix: 'Try again after Retry-After; another API process may answer. Operators: check the clock (NTP) and /readyz.',
});

export const signingAlgorithmRefused = defineError({
  code: 'signing_algorithm_refused',
  title: 'Tokens are not signed with this algorithm here',
  cause:
    'The algorithm is neither JWT_ALGORITHM nor one of JWT_ADDITIONAL_ALGORITHMS, or its first key is still in its hold period; `detail` names the algorithms that can be used.',
  fix: 'Use one of the named algorithms, or ask an operator to add this one to JWT_ADDITIONAL_ALGORITHMS.',
});

export const keyUnknown = defineError({
  code: 'key_unknown',
  status: 404,
  title: 'Key not found',
  cause: 'No key of this installation has this kid, or its history was removed.',
  fix: 'List the keys with GET /v1/keys.',
});

export const keyRingBehind = defineError({
  code: 'key_ring_behind',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Signing keys may be outdated',
  cause:
    'The token names a key that this API process has not loaded, and it cannot load newer keys because PostgreSQL is unreachable. A verifier package answers so when it cannot fetch newer keys from the API.',
  fix: 'Retry with the same token after Retry-After; another API process may answer.',
});
