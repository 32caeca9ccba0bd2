import { z } from 'zod';
import { signingUnavailable } from '#services/core/keys/errors.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { defineError } from '#services/platform/define/error.ts';
import { shuttingDown } from '#services/platform/errors.ts';
import { revocationsRead } from './permissions.ts';

/** This copy may miss recent revocations, so it cannot decide whether a token is revoked. */
export const revocationStateStale = defineError({
  code: 'revocation_state_stale',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Revocations may be outdated',
  cause:
    'This API process has not reached PostgreSQL for longer than REVOCATION_STALENESS_MS, has not finished loading the revocations after its start, or lost a connection and has not yet confirmed that the database is the same. A verifier package answers so when the last revocations that it read are older than the feed allows and `maxStale`.',
  fix: 'Retry after Retry-After; another API process may answer. Operators of the API: check PostgreSQL and /readyz. Operators of a service with a verifier package: its log says why it cannot read revocations.',
});

/** The database is older than a state it had before: issuing or validating would revive revoked tokens. */
export const stateRewound = defineError({
  code: 'state_rewound',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Database older than its high-water mark',
  cause:
    'The database was restored from a backup, or DATABASE_URL names another database. Revocations and refreshes that were acknowledged are missing from it.',
  fix: 'Operators: restore the newest state. If it is lost, end all earlier sessions and tokens with: sallyport restore --accept-loss',
});

export const revocationStreamsBusy = defineError({
  code: 'revocation_streams_busy',
  status: 503,
  title: 'Too many revocation streams on this API process',
  cause: 'Each API process serves a limited number of open streams.',
  fix: 'Retry after Retry-After (another API process may have room), or poll GET /v1/revocations.',
});

export const revocationStreamsSpent = defineError({
  code: 'revocation_streams_spent',
  status: 429,
  title: 'Too many revocation streams of this caller',
  cause: 'A caller can open REVOCATION_STREAMS_PER_CLIENT streams on each API process.',
  fix: 'Close unused streams. One stream can feed any number of verifiers in a process.',
});

const READER = {
  accepts: ['client', 'bearer'],
  for: 'anyone',
  permission: revocationsRead.name,
  subject: 'any',
} as const;

const since = z.strictObject({
  /** The epoch that the caller has; 0 requests all revocations. */
  since: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** The incarnation of that epoch. If the database has another incarnation, the response starts from 0. */
  incarnation: z.uuid().optional(),
});

export const readRevocationsEndpoint = defineEndpoint({
  path: '/v1/revocations',
  operation: 'readRevocations',
  summary: 'List the revocations since an epoch, as a compact JWS (typ revocations+jwt)',
  tag: 'Revocations',
  auth: READER,
  query: since,
  responses: { 200: { contentType: 'application/revocations+jwt', schema: z.string() } },
  errors: [revocationStateStale, stateRewound, signingUnavailable],
});

export const streamRevocationsEndpoint = defineEndpoint({
  ...readRevocationsEndpoint,
  path: '/v1/revocations/stream',
  operation: 'streamRevocations',
  summary:
    'Stream revocations as server-sent events: the existing ones, then each change, with a heartbeat within the staleness bound',
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
