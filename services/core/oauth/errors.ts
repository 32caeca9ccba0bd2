import { defineError } from '#services/platform/define/error.ts';

/** The same error for every reason, so that an attacker with a stolen code learns nothing. */
export const authorizationCodeInvalid = defineError({
  code: 'authorization_code_invalid',
  oauthError: 'invalid_grant',
  title: 'Authorization code invalid, expired or used',
  cause:
    'The code is unknown, older than a minute, already used or issued to another client, or redirect_uri, code_verifier or DPoP key do not match its request. Reusing a code revokes the tokens of its first use.',
  fix: 'Send the user to the authorization endpoint again.',
});

export const openRequestsFull = defineError({
  code: 'open_requests_full',
  status: 429,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'Too many open requests of this client',
  cause:
    'Too many authorization requests of the last ten minutes, of this client or from this network address, still wait for their users. Without a client secret, one address may have 500 open requests of a client, or 50 if the client registered itself.',
  fix: 'Retry after Retry-After seconds; unanswered requests expire by themselves.',
});

export const resourceNotGranted = defineError({
  code: 'resource_not_granted',
  oauthError: 'invalid_target',
  title: 'Resource not granted',
  cause: 'The token request names a resource that the authorization request did not include (RFC 8707 §2.2).',
  fix: 'Omit `resource`, or send the one from the authorization request.',
});

export const openIdScopeMissing = defineError({
  code: 'openid_scope_missing',
  status: 403,
  title: 'Token lacks the scope openid',
  cause: 'UserInfo accepts only access tokens from a user sign-in with the scope openid (OpenID Connect Core §5.3).',
  fix: 'Request the scope openid when the user signs in.',
});

export const deviceGrantPending = defineError({
  code: 'device_grant_pending',
  oauthError: 'authorization_pending',
  title: 'Authorization pending',
  cause: 'The user has not yet entered the code of this device, or not yet decided.',
  fix: 'Poll again after `interval` seconds.',
  retryable: true,
});

export const devicePollsTooFast = defineError({
  code: 'device_polls_too_fast',
  oauthError: 'slow_down',
  title: 'Device polls too often',
  cause: 'The device polled within its interval, which is now five seconds longer (RFC 8628 §3.5).',
  fix: 'Wait five more seconds between requests.',
  retryable: true,
});

export const deviceGrantDenied = defineError({
  code: 'device_grant_denied',
  oauthError: 'access_denied',
  title: 'Request denied by the user',
  cause: 'The user denied the code of this device in the browser.',
  fix: 'Start again only if the user asks for it.',
});

export const deviceCodeExpired = defineError({
  code: 'device_code_expired',
  oauthError: 'expired_token',
  title: 'Device code expired',
  cause:
    'No user decided within ten minutes, or all tokens of the user or client were revoked after the user allowed it.',
  fix: 'Start again with a new code.',
});

export const deviceCodeInvalid = defineError({
  code: 'device_code_invalid',
  oauthError: 'invalid_grant',
  title: 'Device code invalid or used',
  cause: 'The code is unknown, already used, or issued to another client.',
  fix: 'Start again with a new code.',
});

export const authReqPending = defineError({
  code: 'auth_req_pending',
  oauthError: 'authorization_pending',
  title: 'Not decided yet',
  cause: 'Not all of the people who must approve the act have decided, or an approval does not count any more.',
  fix: 'Poll again after `interval` seconds.',
  retryable: true,
});

export const authReqPollsTooFast = defineError({
  code: 'auth_req_polls_too_fast',
  oauthError: 'slow_down',
  title: 'Client polls too often',
  cause: 'The client polled within its interval, which is now five seconds longer (CIBA Core §11).',
  fix: 'Wait five more seconds between requests.',
  retryable: true,
});

export const authReqDenied = defineError({
  code: 'auth_req_denied',
  oauthError: 'access_denied',
  title: 'Request denied',
  cause: 'A person denied the act, or the agent was killed, was disabled or has expired.',
  fix: 'Read the sign-off: it names the person who denied it, and why.',
});

export const authReqExpired = defineError({
  code: 'auth_req_expired',
  oauthError: 'expired_token',
  title: 'Request expired',
  cause: 'The people did not decide within `expires_in`, or the client did not come for its token in that time.',
  fix: 'Start again with a new request.',
});

export const authReqIdInvalid = defineError({
  code: 'auth_req_id_invalid',
  oauthError: 'invalid_grant',
  title: 'auth_req_id invalid or used',
  cause: 'The auth_req_id is unknown, already used, or issued to another client, or its act has already started.',
  fix: 'If people have approved the sign-off and its act has not started, start it, or request a token with grant_type=client_credentials and the same authorization_details. Otherwise start again with a new request.',
});

/** The same for every account, so that an agent does not learn which exist. */
export const hintedUserUnknown = defineError({
  code: 'hinted_user_unknown',
  oauthError: 'unknown_user_id',
  title: 'The hint does not name the owner of this agent',
  cause: 'An agent asks for its owner alone, and the hint names another user or none (CIBA Core §13).',
  fix: 'Send the id or the email address of the owner in login_hint, or an ID token of the agent in id_token_hint.',
});

export const bindingMessageInvalid = defineError({
  code: 'binding_message_invalid',
  oauthError: 'invalid_binding_message',
  title: 'Binding message not accepted',
  cause: 'The message is longer than 256 characters, or has characters that are invisible or reorder the text.',
  fix: 'Send a short message in plain text.',
});

export const subjectTokenInvalid = defineError({
  code: 'subject_token_invalid',
  oauthError: 'invalid_request',
  title: 'Subject token not accepted',
  cause:
    'The token is not an active access token of a user, is for an audience that the client is not allowed, is bound to a key, or has already passed through four services (RFC 8693 §2.2.2).',
  fix: 'Send the access token with which the user called your service, unchanged.',
});

export const actorTokenInvalid = defineError({
  code: 'actor_token_invalid',
  oauthError: 'invalid_request',
  title: 'Actor token not accepted',
  cause:
    'The token is not an active client-credentials token of the client itself or of an agent of the user, or the subject token names another actor in `may_act` (RFC 8693 §2.2.2).',
  fix: 'Leave `actor_token` out if the client itself acts, or send a current token of the agent that acts.',
});

export const identityAssertionInvalid = defineError({
  code: 'identity_assertion_invalid',
  oauthError: 'invalid_grant',
  title: 'Identity assertion not accepted',
  cause:
    'The assertion is not one of a server that vouches for users of this client, has expired or was used, is for another client or server, or its user may not be signed in this way.',
  fix: 'Get a new assertion whose `aud` is the issuer of this server and whose `client_id` is the client here.',
});

export const responseTypeUnsupported = defineError({
  code: 'response_type_unsupported',
  oauthError: 'unsupported_response_type',
  title: 'Response type not supported',
  cause: 'The only supported response type is code (RFC 9700 §2.1.2).',
  fix: 'Send `response_type=code`.',
});

export const certificateUnreadable = defineError({
  code: 'client_certificate_unreadable',
  oauthError: 'invalid_request',
  title: 'Client certificate unreadable',
  cause:
    'The proxy sends a certificate in CLIENT_CERT_HEADER that is not in RFC 9440 form, PEM, or base64 of one DER certificate. A token issued without it would not be bound.',
  fix: 'Configure the proxy to send only the client certificate, in one of these forms.',
});

export const requestObjectUnsupported = defineError({
  code: 'request_object_unsupported',
  oauthError: 'request_not_supported',
  title: 'Request objects are not supported',
  cause: 'The authorization request has its parameters in a `request` object (RFC 9101).',
  fix: 'Send the parameters directly; a pushed request protects them as well.',
});
