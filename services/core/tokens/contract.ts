import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import {
  directoryStale,
  permissionMissing,
  secondFactorRequired,
  storeUnavailable,
} from '#services/platform/errors.ts';
import { reads } from '../access/admin-shapes.ts';
import { clientAssertion } from '../access/assertion-shapes.ts';
import { clientKeysBusy, clientKeysUnavailable } from '../access/errors.ts';
import { tokensIssue } from '../access/permissions.ts';
import { clockWrong, keyRingBehind, signingUnavailable } from '../keys/errors.ts';
import { revocationStateStale, stateRewound } from '../revocations/contract.ts';
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
import { tokensIntrospect, tokensRead, tokensRevoke } from './permissions.ts';
import {
  refreshGraceSpent,
  refreshTokenExpired,
  refreshTokenInvalid,
  refreshTokenReused,
  scopeExceeded,
  sessionEnded,
} from './refresh/refresh-errors.ts';
import { verifiedFactors } from './verified-factor-shapes.ts';
import { tokenValidation } from './verify/validation-shapes.ts';

const defineEndpoint = endpointsOf('Tokens');

/** Longer than any token that is parsed. The body limit applies as well. */
const tokenText = z.string().min(1).max(65_536);
/** No control characters and no lone surrogates: PostgreSQL stores neither NUL nor lone surrogates. */
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;
const identifier = z.string().min(1).max(255).regex(PLAIN);
/** RFC 6749 §3.3: printable ASCII without quote and backslash, single spaces. */
const scopeText = z
  .string()
  .max(2_048)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/);
const audienceText = z.string().min(1).max(512).regex(PLAIN);

export const tokenPair = component('TokenPair', {
  access_token: z.string(),
  refresh_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.int(),
  refresh_expires_in: z.int(),
  scope: z.string(),
});

const deviceText = z.string().min(1).max(128).regex(PLAIN);
export const device = z
  .strictObject({ id: deviceText.optional(), name: deviceText.optional() })
  .register(componentNames, { id: 'Device' });

export const issueTokensEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens',
  operation: 'issueTokens',
  summary: 'Issue a token pair for the session of the cookie, or with tokens:issue for any user (an agent: its owner)',
  auth: {
    accepts: ['session', 'client', 'bearer'],
    for: 'anyone',
    subject: { others: tokensIssue.name, else: 'refused' },
    stepUp: 'of_others',
    outlives: true,
  },
  limit: 'token',
  body: z.strictObject({
    user_id: identifier.optional(),
    audience: audienceText.optional(),
    scope: scopeText.optional(),
    /** A string is the name of the device. */
    device: z.union([device, deviceText]).optional(),
    /** What a service with tokens:issue verified of the user. An account with a second factor needs one of these. */
    verified_factors: verifiedFactors.optional(),
  }),
  bodyOptional: true,
  idempotency: 'use_case',
  responses: { 201: tokenPair },
  errors: [
    permissionMissing,
    secondFactorRequired,
    userUnknown,
    scopeInvalid,
    targetInvalid,
    dpopProofInvalid,
    signingUnavailable,
    sessionEnded,
    stateRewound,
  ],
});

const validateRequest = z.strictObject({
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
      /** SHA-256 of the client's certificate, DER (RFC 8705 §3.1), in the format of `cnf`. */
      'x5t#S256': z
        .string()
        .regex(/^[\w-]{43}$/)
        .max(43)
        .optional(),
    })
    .optional(),
});
export type ValidateRequest = z.output<typeof validateRequest>;

export const validateTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/validate',
  operation: 'validateToken',
  summary: 'Validate an access token, sent in the body or, without a body, as Bearer header',
  auth: 'public',
  limit: 'validate',
  body: validateRequest,
  bodyOptional: true,
  responses: { 200: tokenValidation },
  errors: [revocationStateStale, stateRewound, clockWrong, keyRingBehind, replayStoreUnavailable],
});

const BATCH_LIMIT = 1_000;

export const validateTokensEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/validate-batch',
  operation: 'validateTokens',
  summary: 'Validate up to 1,000 access tokens, or token ids, in order',
  auth: { accepts: ['bearer', 'client', 'session'], optional: true, for: 'anyone', subject: 'none' },
  limit: 'validate',
  limitItems: ['tokens', 'token_ids'],
  body: z.union([
    z.strictObject({ tokens: z.array(tokenText).max(BATCH_LIMIT) }),
    z.strictObject({ token_ids: z.array(identifier).max(BATCH_LIMIT) }),
  ]),
  bodyLimit: 2_097_152,
  responses: { 200: z.object({ results: z.array(tokenValidation) }) },
  errors: [permissionMissing, tokenMetadataUnavailable, revocationStateStale, stateRewound, clockWrong, keyRingBehind],
});

const reason = z.string().min(1).max(256).regex(PLAIN);
/** Refuses what the act refuses, and changes nothing. */
const dryRun = z.boolean().optional();
const one = <const Name extends string>(name: Name, value: z.ZodString) =>
  z.strictObject({ [name]: value, reason, dry_run: dryRun } as { [K in Name]: z.ZodString } & {
    reason: z.ZodString;
    dry_run: typeof dryRun;
  });

export const revokeTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/revoke',
  operation: 'revokeToken',
  summary: 'Revoke a token, a session, a token family, or all tokens of a user or client',
  auth: {
    accepts: ['bearer', 'client', 'session'],
    for: 'anyone',
    subject: { others: tokensRevoke.name, else: 'refused' },
    stepUp: 'of_others',
  },
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
  errors: [permissionMissing, userUnknown, clientUnknown, keyRingBehind],
});

export const tokenMetadata = component('TokenMetadata', {
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
  path: '/v1/tokens/{token_id}',
  operation: 'readToken',
  summary: 'Read the metadata of an unexpired access token',
  auth: reads(tokensRead),
  params: z.strictObject({ token_id: identifier }),
  responses: { 200: tokenMetadata },
  errors: [tokenUnknown, tokenMetadataUnavailable],
});

const count = (description: string) => z.int().meta({ description });

export const tokenStatistics = component('TokenStatistics', {
  issued: count('Token families created and client-credentials tokens issued, since installation.'),
  active: count('Token families that can be refreshed now.'),
  refreshed: count('Refresh token rotations.'),
  revoked: count('Token families and single tokens revoked before they expired, without replays.'),
  expired: count('Token families that expired.'),
  replays: count('Token families ended because an outdated refresh token was presented.'),
});

export const readTokenStatisticsEndpoint = defineEndpoint({
  path: '/v1/tokens/stats',
  operation: 'readTokenStatistics',
  summary: 'Count issued, refreshed, revoked, expired and replayed tokens',
  auth: reads(tokensRead),
  responses: { 200: tokenStatistics },
});

export const refreshTokensEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/refresh',
  operation: 'refreshTokens',
  summary: 'Exchange a refresh token for a new token pair',
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
    directoryStale,
  ],
});

const defineOAuthEndpoint = endpointsOf('OAuth');

/** Unrecognised parameters are ignored (RFC 6749 §3.2). A repeated parameter arrives as an array and is rejected. */
const optionalParameter = (maximum: number) => z.string().max(maximum).regex(PLAIN).optional();

export const introspectTokenEndpoint = defineOAuthEndpoint({
  method: 'POST',
  path: '/oauth2/introspect',
  operation: 'introspectToken',
  summary: 'Introspect an access token, a refresh token or an API key (RFC 7662)',
  auth: { accepts: ['client'], for: 'anyone', permission: tokensIntrospect.name, subject: 'any' },
  limit: 'validate',
  bodyType: 'form',
  body: z.looseObject({
    token: tokenText,
    token_type_hint: optionalParameter(64),
    client_id: optionalParameter(255),
    client_secret: optionalParameter(512),
    ...clientAssertion,
  }),
  responses: { 200: z.looseObject({ active: z.boolean() }) },
  errors: [
    clientKeysBusy,
    clientKeysUnavailable,
    revocationStateStale,
    stateRewound,
    clockWrong,
    keyRingBehind,
    storeUnavailable,
  ],
  oauthErrors: true,
});

export const revokeOAuthTokenEndpoint = defineOAuthEndpoint({
  ...introspectTokenEndpoint,
  path: '/oauth2/revoke',
  operation: 'revokeOAuthToken',
  summary: 'Revoke an access or refresh token of the client (RFC 7009)',
  auth: { accepts: ['client'], optional: true, for: 'anyone', subject: 'none' },
  limit: 'token',
  responses: { 200: null },
  errors: [clientKeysBusy, clientKeysUnavailable, tokenOfAnotherClient, keyRingBehind, storeUnavailable],
});
