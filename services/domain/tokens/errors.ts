import { defineError } from '#services/platform/define/error.ts';

export { clientUnknown } from '../access/errors.ts';

export const userUnknown = defineError({
  code: 'user_unknown',
  status: 404,
  title: 'There is no such user',
  cause: 'No live user has this id.',
  fix: 'Check the id; it is the `sub` of the user’s tokens.',
  retryable: false,
});

export const roleNotHeld = defineError({
  code: 'role_not_held',
  status: 403,
  title: 'The user does not have the role',
  cause: 'A pair was asked for under a role that is not among the user’s.',
  fix: 'Grant the role first, or ask under one the user has.',
  retryable: false,
});

export const tokenUnknown = defineError({
  code: 'token_unknown',
  status: 404,
  title: 'Nothing is known of this token id',
  cause: 'The token has expired, was never issued, or its metadata was lost with Redis.',
  fix: 'Validate the token itself: that needs no metadata.',
  retryable: false,
});

export const tokenMetadataUnavailable = defineError({
  code: 'token_metadata_unavailable',
  status: 503,
  title: 'Token metadata cannot be read',
  cause: 'Redis is out of reach; tokens themselves can still be validated.',
  fix: 'Try again after Retry-After, or send the tokens instead of their ids.',
  retryable: true,
});

export const replayStoreUnavailable = defineError({
  code: 'replay_store_unavailable',
  status: 503,
  title: 'The replay check cannot be made',
  cause: 'VALIDATE_REPLAY_PROTECTION is on and Redis, which it needs, is out of reach.',
  fix: 'Try again after Retry-After; operators: check Redis and /readyz.',
  retryable: true,
});

export const scopeInvalid = defineError({
  code: 'scope_invalid',
  status: 400,
  oauthError: 'invalid_scope',
  title: 'The scope is not granted to this client',
  cause: 'A requested scope is not among those registered for the client.',
  fix: 'Ask for registered scopes alone, or leave `scope` out.',
  retryable: false,
});

export const targetInvalid = defineError({
  code: 'target_invalid',
  status: 400,
  oauthError: 'invalid_target',
  title: 'The resource is not one a token can be made for',
  cause:
    'It is not among the audiences registered for the client, or no absolute URI without a fragment, given once (RFC 8707 §2).',
  fix: 'Register the audience for the client, or leave it out for the default one.',
  retryable: false,
});

export const grantTypeUnsupported = defineError({
  code: 'grant_type_unsupported',
  status: 400,
  oauthError: 'unsupported_grant_type',
  title: 'The grant type is not supported',
  cause: 'Neither password nor implicit grants exist here (RFC 9700 §2.1.2, §2.4).',
  fix: 'Use one of grant_types_supported in /.well-known/oauth-authorization-server.',
  retryable: false,
});

export const grantNotAllowed = defineError({
  code: 'grant_not_allowed',
  status: 400,
  oauthError: 'unauthorized_client',
  title: 'The client may not use this grant',
  cause: 'The grant type is not among those registered for the client.',
  fix: 'Register the grant type for the client.',
  retryable: false,
});

export const tokenOfAnotherClient = defineError({
  code: 'token_of_another_client',
  status: 400,
  oauthError: 'invalid_grant',
  title: 'The token was issued to another client',
  cause: 'RFC 7009 §2.1: a client revokes its own tokens alone.',
  fix: 'Let the client that holds the token revoke it, or use /v1/tokens/revoke with tokens:revoke.',
  retryable: false,
});
