import { defineError } from '#services/platform/define/error.ts';

/** Errors of a refresh. The OAuth endpoints answer 400 `invalid_grant` (RFC 6749 §5.2). */

export const refreshTokenInvalid = defineError({
  code: 'refresh_token_invalid',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'Refresh token invalid',
  cause:
    'The token is malformed, was issued by another service or before a restore of the database, or belongs to another client or key.',
  fix: 'Sign in again.',
});

export const refreshTokenExpired = defineError({
  code: 'refresh_token_expired',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'Refresh token expired',
  cause:
    'The token family was not refreshed for JWT_REFRESH_EXPIRY, or has reached JWT_REFRESH_ABSOLUTE_EXPIRY or the end of its session.',
  fix: 'Sign in again.',
});

export const refreshTokenReused = defineError({
  code: 'refresh_token_reused',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'Refresh token reused',
  cause:
    'An old refresh token was used after its successor: the token was stolen, or the client kept an old one. The token family and its access tokens were revoked.',
  fix: 'Sign in again, store only the newest refresh token, and find out which client used the old one.',
});

export const sessionEnded = defineError({
  code: 'session_ended',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'Session ended',
  cause:
    'The user signed out, the session or token family was revoked or replaced by a newer one of the same client, or the user or client was disabled or deleted.',
  fix: 'Sign in again.',
});

export const refreshGraceSpent = defineError({
  code: 'refresh_grace_spent',
  status: 429,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'Refresh token presented too often',
  cause:
    'The same token was presented more than REFRESH_GRACE_USES times within REFRESH_GRACE_SECONDS. No session was ended.',
  fix: 'Use the refresh token of the first response, and share one refresh between tabs and retries.',
  retryable: false,
});

export const scopeExceeded = defineError({
  code: 'scope_exceeded',
  status: 400,
  oauthError: 'invalid_scope',
  title: 'Scope exceeds the granted scope',
  cause: 'A refresh cannot request more than the scope that was granted (RFC 6749 §6).',
  fix: 'Leave `scope` out, or request a part of the granted scope.',
});

export const resourceForeign = defineError({
  code: 'resource_foreign',
  status: 400,
  oauthError: 'invalid_target',
  title: 'Resource differs from the granted resource',
  cause: 'A refresh cannot change the resource that was granted at sign-in (RFC 8707 §2.2).',
  fix: 'Leave `resource` out, or sign in for the other resource.',
});
