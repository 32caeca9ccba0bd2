import { defineError } from '../../platform/define/error.ts';

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
