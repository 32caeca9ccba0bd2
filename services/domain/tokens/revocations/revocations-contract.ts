import { z } from 'zod';
import { signingUnavailable } from '#services/domain/keys/errors.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { defineError } from '#services/platform/define/error.ts';
import { shuttingDown } from '#services/platform/errors.ts';

/** This copy does not know the revocations of the last moments: it cannot tell a live token from a dead one. */
export const revocationStateStale = defineError({
  code: 'revocation_state_stale',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'This copy cannot tell which tokens are revoked',
  cause:
    'PostgreSQL has not answered for longer than REVOCATION_STALENESS_MS, the first load is not complete, or a connection was lost and the database is not confirmed since.',
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

export const revocationStreamsBusy = defineError({
  code: 'revocation_streams_busy',
  status: 503,
  title: 'This copy serves as many revocation streams as it may',
  cause: 'The number of open streams per copy is bounded.',
  fix: 'Try again after Retry-After, at another copy, or poll GET /v1/revocations.',
  retryable: true,
});

export const revocationStreamsSpent = defineError({
  code: 'revocation_streams_spent',
  status: 429,
  title: 'This caller holds as many revocation streams as it may',
  cause: 'Open streams are bounded by REVOCATION_STREAMS_PER_CLIENT on each copy.',
  fix: 'Close streams that nobody reads; one feeds any number of verifiers in a process.',
  retryable: true,
});

const READER = { accepts: ['client', 'bearer'], permission: 'revocations:read' } as const;

const since = z.strictObject({
  /** Epoch the asker holds; 0 asks for everything. */
  since: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** Incarnation that epoch is of; another one than ours is answered from 0. */
  incarnation: z.uuid().optional(),
});

export const readRevocationsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/revocations',
  operation: 'readRevocations',
  summary: 'What was revoked since an epoch, as a compact JWS (typ revocations+jwt)',
  tag: 'Revocations',
  auth: READER,
  query: since,
  responses: { 200: { contentType: 'application/revocations+jwt', schema: z.string() } },
  errors: [revocationStateStale, stateRewound, signingUnavailable],
});

export const streamRevocationsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/revocations/stream',
  operation: 'streamRevocations',
  summary:
    'The same by server-sent events: what there is, then every change, and a heartbeat within the staleness bound',
  tag: 'Revocations',
  auth: READER,
  query: since,
  responses: { 200: { contentType: 'text/event-stream', schema: z.string() } },
  errors: [
    revocationStateStale,
    stateRewound,
    signingUnavailable,
    revocationStreamsBusy,
    revocationStreamsSpent,
    shuttingDown,
  ],
});
