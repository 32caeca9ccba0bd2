import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import {
  clientUnauthenticated,
  idempotencyKeyReused,
  permissionMissing,
  stepUpRequired,
  storeUnavailable,
} from '#services/platform/errors.ts';
import { clockWrong, signingUnavailable } from '../keys/errors.ts';
import { dpopProofInvalid } from './dpop/dpop-errors.ts';
import {
  clientUnknown,
  replayStoreUnavailable,
  scopeInvalid,
  targetInvalid,
  tokenMetadataUnavailable,
  tokenOfAnotherClient,
  tokenUnknown,
  userUnknown,
} from './errors.ts';
import {
  keyRingBehind,
  refreshGraceSpent,
  refreshTokenExpired,
  refreshTokenInvalid,
  refreshTokenReused,
  scopeExceeded,
  sessionEnded,
} from './refresh/refresh-errors.ts';
import { revocationStateStale, stateRewound } from './revocations/revocations-contract.ts';
import { verdict } from './verify/verdict-shapes.ts';

const TAG = 'Tokens';

/** Longer than any token that is looked at; the body limit holds too. */
const tokenText = z.string().min(1).max(65_536);
/** No control characters and no halves of surrogate pairs: PostgreSQL stores neither NUL nor those. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;
const identifier = z.string().min(1).max(255).regex(PLAIN);
/** RFC 6749 §3.3: printable ASCII without quote and backslash, single spaces. */
export const scopeText = z
  .string()
  .max(2_048)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/);
const audienceText = z.string().min(1).max(512).regex(PLAIN);

export const tokenPair = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.int(),
  refresh_expires_in: z.int(),
  scope: z.string(),
});

const deviceText = z.string().min(1).max(128).regex(PLAIN);
export const device = z.strictObject({ id: deviceText.optional(), name: deviceText.optional() });

export const issueTokensEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens',
  operation: 'issueTokens',
  summary: 'Issue a token pair for the session of the cookie, or for a user by a caller with tokens:issue',
  tag: TAG,
  auth: { accepts: ['session', 'client', 'bearer'], stepUp: 'of_others' },
  limit: 'token',
  body: z.strictObject({
    user_id: identifier.optional(),
    audience: audienceText.optional(),
    scope: scopeText.optional(),
    /** A text is its name. */
    device: z.union([device, deviceText]).optional(),
  }),
  bodyOptional: true,
  idempotency: 'use_case',
  responses: { 201: tokenPair },
  errors: [
    permissionMissing,
    stepUpRequired,
    userUnknown,
    scopeInvalid,
    targetInvalid,
    idempotencyKeyReused,
    dpopProofInvalid,
    signingUnavailable,
    sessionEnded,
    stateRewound,
    storeUnavailable,
  ],
});

export const validateTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/validate',
  operation: 'validateToken',
  summary: 'Tell whether an access token is active; the token is in the body or, without a body, the Bearer header',
  tag: TAG,
  auth: 'public',
  limit: 'validate',
  body: z.strictObject({
    token: tokenText,
    audience: audienceText.optional(),
    required_scope: scopeText.optional(),
    context: z
      .strictObject({
        ip: z.string().min(1).max(64).optional(),
        user_agent: z.string().min(1).max(512).optional(),
        dpop: z
          .strictObject({
            proof: z.string().min(1).max(8_192),
            htm: z.string().min(1).max(16),
            htu: z.string().min(1).max(2_048),
          })
          .optional(),
        /** SHA-256 of the certificate that the client showed, DER (RFC 8705 §3.1), as `cnf` has it. */
        'x5t#S256': z
          .string()
          .regex(/^[\w-]{43}$/)
          .max(43)
          .optional(),
      })
      .optional(),
  }),
  bodyOptional: true,
  responses: { 200: verdict },
  errors: [revocationStateStale, stateRewound, clockWrong, keyRingBehind, replayStoreUnavailable],
});

export const BATCH_LIMIT = 1_000;

export const validateTokensEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/validate-batch',
  operation: 'validateTokens',
  summary: 'Tell which of up to 1,000 tokens, or token ids, are active, in order',
  tag: TAG,
  auth: { accepts: ['bearer', 'client', 'session'], optional: true },
  limit: 'validate',
  limitItems: ['tokens', 'token_ids'],
  body: z.union([
    z.strictObject({ tokens: z.array(tokenText).max(BATCH_LIMIT) }),
    z.strictObject({ token_ids: z.array(identifier).max(BATCH_LIMIT) }),
  ]),
  bodyLimit: 2_097_152,
  responses: { 200: z.object({ results: z.array(verdict) }) },
  errors: [permissionMissing, tokenMetadataUnavailable, revocationStateStale, stateRewound, clockWrong, keyRingBehind],
});

const reason = z.string().min(1).max(256).regex(PLAIN);
const one = <const Name extends string>(name: Name, value: z.ZodString) =>
  z.strictObject({ [name]: value, reason } as { [K in Name]: z.ZodString } & { reason: z.ZodString });

export const revokeTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/revoke',
  operation: 'revokeToken',
  summary: 'End a token, session, family, or everything of a user or client',
  tag: TAG,
  auth: { accepts: ['bearer', 'client', 'session'], stepUp: 'of_others' },
  limit: 'token',
  body: z.union([
    one('token', tokenText),
    one('token_id', identifier),
    one('session_id', identifier),
    one('family_id', identifier),
    one('user_id', identifier),
    one('client_id', identifier),
  ]),
  responses: { 200: z.object({ epoch: z.int() }) },
  errors: [permissionMissing, stepUpRequired, userUnknown, clientUnknown, keyRingBehind, storeUnavailable],
});

export const tokenMetadata = z.object({
  token_id: z.string(),
  type: z.literal('access'),
  subject: z.string(),
  user_id: z.string().nullable(),
  client_id: z.string(),
  audience: z.string(),
  session_id: z.string().nullable(),
  family_id: z.string().nullable(),
  scope: z.string(),
  role: z.string().nullable(),
  issued_at: z.string(),
  expires_at: z.string(),
  key_id: z.string().nullable(),
  revoked: z.boolean(),
});

export const readTokenEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/tokens/{token_id}',
  operation: 'readToken',
  summary: 'Read what is known of a token that has not expired',
  tag: TAG,
  auth: { accepts: ['bearer', 'client', 'session'], permission: 'tokens:read' },
  params: z.strictObject({ token_id: identifier }),
  responses: { 200: tokenMetadata },
  errors: [permissionMissing, tokenUnknown, tokenMetadataUnavailable],
});

const count = (description: string) => z.int().meta({ description });

export const tokenStatistics = z.object({
  issued: count('Logins begun and tokens issued to clients themselves, since installation.'),
  active: count('Logins that can be refreshed now.'),
  refreshed: count('Rotations.'),
  revoked: count('Logins and single tokens ended before their time, replays apart.'),
  expired: count('Logins that ran out.'),
  replays: count('Logins ended because an outdated refresh token came back.'),
});

export const readTokenStatisticsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/tokens/stats',
  operation: 'readTokenStatistics',
  summary: 'Count what was issued, refreshed, revoked, expired and replayed',
  tag: TAG,
  auth: { accepts: ['bearer', 'client', 'session'], permission: 'tokens:read' },
  responses: { 200: tokenStatistics },
  errors: [permissionMissing, storeUnavailable],
});

export const refreshTokensEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/refresh',
  operation: 'refreshTokens',
  summary: 'Exchange a refresh token for a whole new pair',
  tag: TAG,
  auth: 'public',
  limit: 'token',
  body: z.strictObject({ refresh_token: z.string().min(1).max(8_192), scope: scopeText.optional() }),
  responses: { 200: tokenPair },
  errors: [
    refreshTokenReused,
    refreshTokenExpired,
    refreshTokenInvalid,
    sessionEnded,
    refreshGraceSpent,
    scopeExceeded,
    keyRingBehind,
    signingUnavailable,
    stateRewound,
    storeUnavailable,
  ],
});

const OAUTH = 'OAuth';

/** Unrecognised parameters are ignored (RFC 6749 §3.2); a repeated one is no string and refused. */
const optionalParameter = (maximum: number) => z.string().max(maximum).regex(PLAIN).optional();

export const introspectTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/introspect',
  operation: 'introspectToken',
  summary: 'Introspect an access or refresh token (RFC 7662)',
  tag: OAUTH,
  auth: { accepts: ['client'], permission: 'tokens:introspect' },
  limit: 'validate',
  bodyType: 'form',
  body: z.looseObject({
    token: tokenText,
    token_type_hint: optionalParameter(64),
    client_id: optionalParameter(255),
    client_secret: optionalParameter(512),
  }),
  responses: { 200: z.looseObject({ active: z.boolean() }) },
  errors: [
    clientUnauthenticated,
    permissionMissing,
    revocationStateStale,
    stateRewound,
    clockWrong,
    keyRingBehind,
    storeUnavailable,
  ],
  oauthErrors: true,
});

export const revokeOAuthTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/revoke',
  operation: 'revokeOAuthToken',
  summary: 'Revoke an access or refresh token of the client (RFC 7009)',
  tag: OAUTH,
  auth: { accepts: ['client'], optional: true },
  limit: 'token',
  bodyType: 'form',
  body: z.looseObject({
    token: tokenText,
    token_type_hint: optionalParameter(64),
    client_id: optionalParameter(255),
    client_secret: optionalParameter(512),
  }),
  responses: { 200: null },
  errors: [clientUnauthenticated, tokenOfAnotherClient, keyRingBehind, storeUnavailable],
  oauthErrors: true,
});
