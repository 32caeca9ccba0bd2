import { defineError } from '../../platform/define/error.ts';

/** This copy does not know the revocations of the last moments: it cannot tell a live token from a dead one. */
export const revocationStateStale = defineError({
  code: 'revocation_state_stale',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'This copy cannot tell which tokens are revoked',
  cause: 'PostgreSQL has not answered for longer than REVOCATION_STALENESS_MS, or the first load is not complete.',
  fix: 'Try again after Retry-After, or at another copy; operators: check PostgreSQL and /readyz.',
  retryable: true,
});

/** The database is older than what it has already shown: issuing or validating would revive what was revoked. */
export const stateRewound = defineError({
  code: 'state_rewound',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'The database is older than its marks',
  cause:
    'The database was restored from a backup, or another one is connected: revocations and refreshes made since are missing from it.',
  fix: 'Restore the newest state; or, when it is lost, end everything old with: sallyport restore --accept-loss',
  retryable: true,
});
