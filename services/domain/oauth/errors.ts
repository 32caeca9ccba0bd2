import { defineError } from '#services/platform/define/error.ts';

/** The same for every reason: a stranger who holds a code learns nothing of it. */
export const codeInvalid = defineError({
  code: 'authorization_code_invalid',
  status: 400,
  oauthError: 'invalid_grant',
  title: 'The authorization code cannot be exchanged',
  cause:
    'It is unknown, older than a minute, used before, of another client, or redirect_uri, code_verifier or DPoP key are not those of its request. A code used again ends the login of its first use.',
  fix: 'Send the user to the authorization endpoint again.',
  retryable: false,
});

export const openRequestsFull = defineError({
  code: 'open_requests_full',
  status: 429,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'Too many requests of this client wait for its users',
  cause:
    'So many were sent within ten minutes and not answered yet, by the client or from the network of this request: without a secret one address has room for fifty, and a client that registered itself for fewer than others.',
  fix: 'Wait for Retry-After seconds: those that nobody answers are over by themselves.',
  retryable: true,
});

export const resourceNotGranted = defineError({
  code: 'resource_not_granted',
  status: 400,
  oauthError: 'invalid_target',
  title: 'The authorization is for another resource',
  cause: 'The token request names a resource that the authorization request did not (RFC 8707 §2.2).',
  fix: 'Leave `resource` out, or name the one of the authorization request.',
  retryable: false,
});

export const openIdScopeMissing = defineError({
  code: 'openid_scope_missing',
  status: 403,
  title: 'The token does not speak for the user to this endpoint',
  cause: 'UserInfo answers access tokens of a login with the scope openid (OpenID Connect Core §5.3).',
  fix: 'Ask for the scope openid when the user signs in.',
  retryable: false,
});

export const deviceGrantPending = defineError({
  code: 'device_grant_pending',
  status: 400,
  oauthError: 'authorization_pending',
  title: 'The user has not decided yet',
  cause: 'Nobody has typed the code of this device, or allowed or denied it.',
  fix: 'Ask again after `interval` seconds.',
  retryable: true,
});

export const devicePollsTooFast = defineError({
  code: 'device_polls_too_fast',
  status: 400,
  oauthError: 'slow_down',
  title: 'The device asks too often',
  cause: 'It asked within its interval, which is five seconds longer from now on (RFC 8628 §3.5).',
  fix: 'Wait five seconds more between two requests.',
  retryable: true,
});

export const deviceGrantDenied = defineError({
  code: 'device_grant_denied',
  status: 400,
  oauthError: 'access_denied',
  title: 'The user said no',
  cause: 'The code of this device was denied in a browser.',
  fix: 'Begin again only when the user asks for it.',
  retryable: false,
});

export const deviceCodeExpired = defineError({
  code: 'device_code_expired',
  status: 400,
  oauthError: 'expired_token',
  title: 'The device code has expired',
  cause: 'Nobody decided within ten minutes, or the logins of its user or client were ended since one allowed it.',
  fix: 'Begin again with a new code.',
  retryable: false,
});

export const deviceCodeInvalid = defineError({
  code: 'device_code_invalid',
  status: 400,
  oauthError: 'invalid_grant',
  title: 'The device code cannot be exchanged',
  cause: 'It is unknown, used before, or of another client.',
  fix: 'Begin again with a new code.',
  retryable: false,
});

export const subjectTokenInvalid = defineError({
  code: 'subject_token_invalid',
  status: 400,
  oauthError: 'invalid_request',
  title: 'The subject token cannot be exchanged',
  cause:
    'It is not an active access token of a user, is for another audience than the client’s, is bound to a key, or passed through four services already (RFC 8693 §2.2.2).',
  fix: 'Exchange the token that the service was called with.',
  retryable: false,
});

export const responseTypeUnsupported = defineError({
  code: 'response_type_unsupported',
  status: 400,
  oauthError: 'unsupported_response_type',
  title: 'The response type does not exist here',
  cause: 'Authorization requests are answered with a code, and with nothing else (RFC 9700 §2.1.2).',
  fix: 'Send `response_type=code`.',
  retryable: false,
});

export const certificateUnreadable = defineError({
  code: 'client_certificate_unreadable',
  status: 400,
  oauthError: 'invalid_request',
  title: 'The client certificate cannot be read',
  cause:
    'The proxy in front passes a certificate on in CLIENT_CERT_HEADER that is neither RFC 9440, nor PEM, nor base64 of one DER certificate. A token without it would be bound to nothing.',
  fix: 'Let the proxy pass on the certificate of the client alone, in one of these forms.',
  retryable: false,
});

export const requestObjectUnsupported = defineError({
  code: 'request_object_unsupported',
  status: 400,
  oauthError: 'request_not_supported',
  title: 'Request objects are not supported',
  cause: 'The authorization request carries its parameters in a `request` (RFC 9101).',
  fix: 'Send the parameters themselves; pushed, they are as safe.',
  retryable: false,
});
