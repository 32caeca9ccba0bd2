import { defineError } from '#services/platform/define/error.ts';

/** What a refused refresh answers; at the OAuth endpoints RFC 6749 §5.2's `invalid_grant` (400). */

export const refreshTokenInvalid = defineError({
  code: 'refresh_token_invalid',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'This is not a refresh token of this service',
  cause:
    'The token is malformed, made elsewhere, made before a restore, or presented by another client or key than its own.',
  fix: 'Sign in again.',
  retryable: false,
});

export const refreshTokenExpired = defineError({
  code: 'refresh_token_expired',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'The login has expired',
  cause: 'It was not used for JWT_REFRESH_EXPIRY, or is older than JWT_REFRESH_ABSOLUTE_EXPIRY.',
  fix: 'Sign in again.',
  retryable: false,
});

export const refreshTokenReused = defineError({
  code: 'refresh_token_reused',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'A refresh token of this login was used again after its successor',
  cause:
    'Two holders used the same login: a thief, or a client that keeps old tokens. The login and its tokens have ended.',
  fix: 'Sign in again; store only the newest refresh token, and find out who held the old one.',
  retryable: false,
});

export const sessionEnded = defineError({
  code: 'session_ended',
  status: 401,
  oauthStatus: 400,
  oauthError: 'invalid_grant',
  title: 'The session behind this token has ended',
  cause:
    'Signed out, revoked, replaced by a newer login of the same session and client, or ended with its user or client.',
  fix: 'Sign in again.',
  retryable: false,
});

export const refreshGraceSpent = defineError({
  code: 'refresh_grace_spent',
  status: 429,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'This refresh token was presented too often',
  cause:
    'The same token was presented more than REFRESH_GRACE_USES times within REFRESH_GRACE_SECONDS. Nothing has ended.',
  fix: 'Use the refresh token of the first answer; refresh once for all tabs and retries.',
  retryable: false,
});

export const keyRingBehind = defineError({
  code: 'key_ring_behind',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'This copy may not have the newest keys yet',
  cause: 'The token names a key that this copy has not loaded, and PostgreSQL could not be asked for newer ones.',
  fix: 'Try again after Retry-After with the same token, or at another copy.',
  retryable: true,
});

export const scopeExceeded = defineError({
  code: 'scope_exceeded',
  status: 400,
  oauthError: 'invalid_scope',
  title: 'The scope is wider than the login was granted',
  cause: 'A refresh may ask for the scope of its login or less (RFC 6749 §6).',
  fix: 'Leave `scope` out, or ask for a part of it.',
  retryable: false,
});

export const resourceForeign = defineError({
  code: 'resource_foreign',
  status: 400,
  oauthError: 'invalid_target',
  title: 'The login is for another resource',
  cause: 'A refresh keeps the resource of its login (RFC 8707 §2.2).',
  fix: 'Leave `resource` out, or sign in for the other resource.',
  retryable: false,
});
