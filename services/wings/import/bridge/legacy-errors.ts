import { defineError } from '#services/platform/define/error.ts';

export const legacyNotConfigured = defineError({
  code: 'legacy_not_configured',
  status: 404,
  title: 'No old provider is configured',
  cause: 'LEGACY_ISSUER is not set, so no session of another provider can go on or end here.',
  fix: 'Sign in as usual. An operator sets LEGACY_ISSUER, LEGACY_JWKS_URI and LEGACY_AUDIENCE.',
});

export const legacyBridgeEnded = defineError({
  code: 'legacy_bridge_ended',
  status: 401,
  title: 'Sessions of the old provider are no longer accepted',
  cause: 'The time of LEGACY_BRIDGE_UNTIL has passed.',
  fix: 'Sign in here.',
});

/** Of an exchange. */
export const legacyTokenBound = defineError({
  code: 'legacy_token_bound',
  status: 401,
  title: 'The token is bound to a key',
  cause: 'The token names a key of its holder (RFC 7800), and a session here would not be bound to it.',
  fix: 'Sign in here.',
});

export const legacyTokenMalformed = defineError({
  code: 'legacy_token_malformed',
  status: 401,
  title: 'Not a token of the old provider',
  cause:
    'The text is not a signed JWT with a subject and an expiry (RFC 7519), or is of a type that proves no session.',
  fix: 'Send the session or access token of the old provider as it was issued.',
});

export const legacyTokenAlgorithmRefused = defineError({
  code: 'legacy_token_algorithm_refused',
  status: 401,
  title: 'Algorithm of the token not accepted',
  cause: 'The token is not signed, or not by an algorithm that the keys of the old provider are for.',
  fix: 'With LEGACY_JWKS_URI tokens are signed with RS256, PS256, ES256 or EdDSA, with LEGACY_SHARED_SECRET with HS256.',
});

export const legacyTokenKeyRefused = defineError({
  code: 'legacy_token_key_refused',
  status: 401,
  title: 'Key of the token not accepted',
  cause: 'The token names no key of the old provider, or a key of this installation.',
  fix: 'Get a new token from the old provider. If its keys changed a moment ago, try again in half a minute.',
  retryable: true,
});

export const legacyTokenSignatureInvalid = defineError({
  code: 'legacy_token_signature_invalid',
  status: 401,
  title: 'Signature of the token invalid',
  cause: 'The token was not signed by the old provider, or was changed.',
  fix: 'Send the token as the old provider issued it.',
});

export const legacyTokenIssuerRefused = defineError({
  code: 'legacy_token_issuer_refused',
  status: 401,
  title: 'Issuer of the token not accepted',
  cause: '`iss` is not LEGACY_ISSUER.',
  fix: 'Send a token of the old provider.',
});

export const legacyTokenAudienceRefused = defineError({
  code: 'legacy_token_audience_refused',
  status: 401,
  title: 'Token is for another application',
  cause: '`aud` names none of LEGACY_AUDIENCE.',
  fix: 'Send a token that the old provider issued for this application.',
});

export const legacyTokenExpired = defineError({
  code: 'legacy_token_expired',
  status: 401,
  title: 'Token expired',
  cause: '`exp` has passed.',
  fix: 'Get a new token from the old provider, or sign in here.',
});

export const legacyTokenNotYetValid = defineError({
  code: 'legacy_token_not_yet_valid',
  status: 401,
  title: 'Token not yet valid',
  cause: '`nbf` or `iat` is ahead of the clock of this server.',
  fix: 'Compare the clocks of the two servers.',
  retryable: true,
});

export const legacyUserUnknown = defineError({
  code: 'legacy_user_unknown',
  status: 401,
  title: 'User of the old provider unknown',
  cause:
    'No account was imported for the subject of the token, or it is disabled or deleted here; and no account has its address, verified on both sides.',
  fix: 'Import the user, or sign in here.',
});

export const legacySessionEnded = defineError({
  code: 'legacy_session_ended',
  status: 401,
  title: 'Session of the old provider ended',
  cause: 'The user signed out of this session, here or at the old provider, or all sessions of the user were ended.',
  fix: 'Sign in here.',
});

export const legacyKeysUnavailable = defineError({
  code: 'legacy_keys_unavailable',
  status: 503,
  title: 'Keys of the old provider unavailable',
  cause: 'The keys at LEGACY_JWKS_URI could not be read, and none were read within the last hour.',
  fix: 'Try again in half a minute. If it persists, an operator checks LEGACY_JWKS_URI.',
  retryable: true,
});

export const legacyWebhookForged = defineError({
  code: 'legacy_webhook_forged',
  status: 401,
  title: 'Signature of the webhook not accepted',
  cause:
    'The request has no signature, one that LEGACY_WEBHOOK_SECRET did not make, or one that is not of the last five minutes.',
  fix: 'Copy the secret of this endpoint at the old provider into LEGACY_WEBHOOK_SECRET, and compare the clocks.',
});

export const legacyProviderUnavailable = defineError({
  code: 'legacy_provider_unavailable',
  status: 503,
  title: 'The former sign-in service does not answer',
  cause:
    'Passwords of some users are still at the old provider, which did not answer within five seconds, or failed. Every sign-in that would be refused is answered so meanwhile.',
  fix: 'Try again after Retry-After, or set a new password by mail. Operators check LEGACY_PASSWORD_URL.',
  retryable: true,
});

/** What a token of the old provider can be refused for, and the reason for which a validation finds it inactive. */
export const legacyTokenRefusals = [
  [legacyTokenMalformed, 'malformed'],
  [legacyTokenAlgorithmRefused, 'bad_signature'],
  [legacyTokenKeyRefused, 'unknown_key'],
  [legacyTokenSignatureInvalid, 'bad_signature'],
  [legacyTokenIssuerRefused, 'wrong_issuer'],
  [legacyTokenAudienceRefused, 'wrong_audience'],
  [legacyTokenExpired, 'expired'],
  [legacyTokenNotYetValid, 'not_yet_valid'],
  [legacyUserUnknown, 'revoked'],
  [legacySessionEnded, 'session_ended'],
  [legacyBridgeEnded, 'wrong_issuer'],
] as const;
