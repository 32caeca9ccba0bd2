import { defineError } from '#services/platform/define/error.ts';

export const consentUnknown = defineError({
  code: 'consent_unknown',
  status: 404,
  title: 'You let no such application act for you',
  cause: 'There is no consent to this client and no login of it, or not any more.',
  fix: 'See GET /v1/consents for those there are.',
  retryable: false,
});

export const registrationClosed = defineError({
  code: 'client_registration_closed',
  status: 403,
  oauthError: 'access_denied',
  title: 'Clients do not register themselves here',
  cause: 'CLIENT_REGISTRATION is off.',
  fix: 'Ask whoever runs the installation to register the client.',
  retryable: false,
});

export const registrationFull = defineError({
  code: 'client_registration_full',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Too many clients have registered themselves',
  cause:
    'There are 10,000 of them, or 500 from your address that are not in use; one that is unused for a week is removed.',
  fix: 'Ask whoever runs the installation to register the client, or try again later.',
  retryable: true,
});

/** `detail` says which member and why. */
export const clientMetadataInvalid = defineError({
  code: 'client_metadata_invalid',
  status: 400,
  oauthError: 'invalid_client_metadata',
  title: 'The metadata of the client do not fit',
  cause: 'A member has a wrong form, is not supported here, or contradicts another (RFC 7591 §2).',
  fix: 'Compare them with /.well-known/oauth-authorization-server; `detail` names the member.',
  retryable: false,
});

export const clientRedirectUriInvalid = defineError({
  code: 'client_redirect_uri_invalid',
  status: 400,
  oauthError: 'invalid_redirect_uri',
  title: 'A redirect address of the client is not acceptable',
  cause:
    'It is missing, no absolute URI, has a fragment, wildcard or user part, or a scheme other than https, http on a loopback address, or an app’s own with a dot (RFC 8252 §7, RFC 9700 §2.1).',
  fix: 'Name the exact addresses that the client redirects to, 20 at most.',
  retryable: false,
});
