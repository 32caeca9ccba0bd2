import { defineCounter, defineHistogram } from './instruments.ts';

/** Why a token is inactive: the closed list of the validate response. */
export const inactiveReasons = [
  'malformed',
  'unknown_key',
  'bad_signature',
  'wrong_type',
  'wrong_issuer',
  'wrong_audience',
  'expired',
  'not_yet_valid',
  'revoked',
  'session_ended',
  'family_reused',
  'key_compromised',
  'binding_mismatch',
  'insufficient_scope',
  'unknown_id',
] as const;

/** The outcome of a validation; `none` is an active token, the last four are a 503. */
const validationReasons = [
  'none',
  ...inactiveReasons,
  'revocation_state_stale',
  'state_rewound',
  'clock_wrong',
  'key_ring_behind',
] as const;

const grants = [
  'session',
  'api',
  'refresh_token',
  'client_credentials',
  'authorization_code',
  'device_code',
  'token_exchange',
  'jwt_bearer',
  'ciba',
] as const;

const signingAlgorithms = ['RS256', 'ES256', 'EdDSA', 'HS256'] as const;

const microseconds = [
  0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
] as const;
const milliseconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;

export const tokenValidations = defineCounter({
  name: 'sallyport_token_validations',
  help: 'Tokens validated, by result and reason. unavailable: the copy could not decide and answered 503.',
  labels: { result: ['active', 'inactive', 'unavailable'], reason: validationReasons },
});

export const tokenValidationDuration = defineHistogram({
  name: 'sallyport_token_validation_duration_seconds',
  help: 'Time to validate one token, without HTTP.',
  buckets: microseconds,
});

export const tokenVerdictCache = defineCounter({
  name: 'sallyport_token_verdict_cache',
  help: 'Token look-ups in the cache of verified signatures.',
  labels: { outcome: ['hit', 'miss'] },
});

export const tokensIssued = defineCounter({
  name: 'sallyport_tokens_issued',
  help: 'Token requests, by grant and outcome.',
  labels: { grant: grants, outcome: ['ok', 'refused', 'unavailable'] },
});

export const tokenIssueDuration = defineHistogram({
  name: 'sallyport_token_issue_duration_seconds',
  help: 'Time to issue a token, including database and signature; at a sign-in, the signature alone.',
  labels: { grant: grants },
  buckets: milliseconds,
});

export const tokenSignDuration = defineHistogram({
  name: 'sallyport_token_sign_duration_seconds',
  help: 'Time to sign one token, including the wait for a free slot.',
  labels: { algorithm: signingAlgorithms },
  buckets: [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
});

export const tokenRefreshes = defineCounter({
  name: 'sallyport_token_refreshes',
  help: 'Refresh tokens presented, by outcome. kept: the client keeps its refresh token. stale_copy: an older copy got the current one. replay: a used token was presented, and its token family was ended.',
  labels: {
    outcome: [
      'rotated',
      'kept',
      'grace',
      'lost_answer',
      'stale_copy',
      'grace_spent',
      'replay',
      'revoked',
      'expired',
      'ahead',
      'mismatch',
      'malformed',
      'unavailable',
    ],
  },
});

export const tokenRefreshDuration = defineHistogram({
  name: 'sallyport_token_refresh_duration_seconds',
  help: 'Time to refresh a token, without HTTP.',
  buckets: milliseconds,
});

export const tokenRefreshBatchSize = defineHistogram({
  name: 'sallyport_token_refresh_batch_size',
  help: 'Refresh tokens in one statement.',
  buckets: [1, 2, 4, 8, 16, 32, 64, 128],
});

export const tokenRevocations = defineCounter({
  name: 'sallyport_token_revocations',
  help: 'Revocation requests, by kind of target and outcome.',
  labels: { kind: ['jti', 'sid', 'family', 'user', 'client', 'key'], outcome: ['ok', 'refused', 'unavailable'] },
});
