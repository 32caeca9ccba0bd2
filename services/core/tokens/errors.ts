import { defineError } from '#services/platform/define/error.ts';

export { clientUnknown } from '../access/errors.ts';

export const userUnknown = defineError({
  code: 'user_unknown',
  status: 404,
  title: 'User not found',
  cause: 'No active user has this id or, on the command line, this address.',
  fix: 'Check the id: it is the `sub` of the user’s tokens. `sallyport users list --email-prefix` and GET /v1/admin/users?email_prefix=… find it by the address.',
});

export const roleNotHeld = defineError({
  code: 'role_not_held',
  status: 403,
  title: 'The user does not have the role',
  cause: 'The request for a token pair names a role that the user does not have.',
  fix: 'Grant the role to the user first, or request a role that the user has.',
});

export const tokenUnknown = defineError({
  code: 'token_unknown',
  status: 404,
  title: 'Token id not found',
  cause: 'The token has expired, was never issued, or Redis lost its metadata.',
  fix: 'Validate the token itself, which needs no metadata.',
});

export const tokenMetadataUnavailable = defineError({
  code: 'token_metadata_unavailable',
  status: 503,
  title: 'Token metadata unavailable',
  cause: 'Redis is unreachable. Tokens themselves can still be validated.',
  fix: 'Retry after Retry-After, or send the tokens instead of their ids.',
});

export const replayStoreUnavailable = defineError({
  code: 'replay_store_unavailable',
  status: 503,
  title: 'Replay check unavailable',
  cause: 'VALIDATE_REPLAY_PROTECTION is on and needs Redis, and Redis is unreachable.',
  fix: 'Retry after Retry-After. Operators: check Redis and /readyz.',
});

export const scopeInvalid = defineError({
  code: 'scope_invalid',
  oauthError: 'invalid_scope',
  title: 'Scope not allowed for this client',
  cause: 'A requested scope is not registered for the client.',
  fix: 'Request only scopes that are registered for the client, or leave `scope` out.',
});

export const targetInvalid = defineError({
  code: 'target_invalid',
  oauthError: 'invalid_target',
  title: 'Resource not allowed for this client',
  cause:
    'The requested resource is not an audience registered for the client, is not an absolute URI without a fragment, or was sent more than once (RFC 8707 §2).',
  fix: 'Register the audience for the client, or leave the resource out to get the default audience.',
});

export const grantTypeUnsupported = defineError({
  code: 'grant_type_unsupported',
  oauthError: 'unsupported_grant_type',
  title: 'Grant type not supported',
  cause:
    'The server does not support this grant type. Password and implicit grants do not exist (RFC 9700 §2.1.2, §2.4).',
  fix: 'Use one of grant_types_supported in /.well-known/oauth-authorization-server.',
});

export const grantNotAllowed = defineError({
  code: 'grant_not_allowed',
  oauthError: 'unauthorized_client',
  title: 'Grant type not allowed for this client',
  cause: 'The grant type is not registered for the client.',
  fix: 'Register the grant type for the client.',
});

export const tokenOfAnotherClient = defineError({
  code: 'token_of_another_client',
  oauthError: 'invalid_grant',
  title: 'Token issued to another client',
  cause: 'A client can revoke only its own tokens (RFC 7009 §2.1).',
  fix: 'Revoke the token as the client it was issued to, or use POST /v1/tokens/revoke with the permission tokens:revoke.',
});

/** `detail` names the type and the member. A sign-off that is lacking is named in the member `authorization_details`. */
export const authorizationDetailsInvalid = defineError({
  code: 'authorization_details_invalid',
  oauthError: 'invalid_authorization_details',
  title: 'Authorization details not accepted',
  cause:
    'A type is unknown or not allowed for the client, a detail does not have the form that its type declares, the request asks for more than was granted (RFC 9396 §5, §6), or people have not signed off an act with exactly these values.',
  fix: 'Send details of types in authorization_details_types_supported, as the application declares them; at a token request only granted ones, unchanged. If the answer has `authorization_details`, request the sign-off that it names.',
});
