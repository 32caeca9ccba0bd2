import { defineError } from '#services/platform/define/error.ts';

export const consentUnknown = defineError({
  code: 'consent_unknown',
  status: 404,
  title: 'Consent not found',
  cause: 'You have no consent and no active token family for this client, or they have already ended.',
  fix: 'GET /v1/consents lists your consents.',
});

export const registrationClosed = defineError({
  code: 'client_registration_closed',
  status: 403,
  oauthError: 'access_denied',
  title: 'Dynamic client registration disabled',
  cause: 'The operator has set CLIENT_REGISTRATION to off.',
  fix: 'Ask the operator of the installation to register the client.',
});

export const registrationFull = defineError({
  code: 'client_registration_full',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Too many self-registered clients',
  cause:
    'There are 10,000 self-registered clients, or 500 unused ones from your address. Clients unused for a week are deleted.',
  fix: 'Ask the operator of the installation to register the client, or try again later.',
});

/** `detail` names the member and the reason. */
export const clientMetadataInvalid = defineError({
  code: 'client_metadata_invalid',
  oauthError: 'invalid_client_metadata',
  title: 'Client metadata invalid',
  cause: 'A member is malformed, unsupported, or contradicts another one (RFC 7591 §2).',
  fix: 'Compare the metadata with /.well-known/oauth-authorization-server; `detail` names the member.',
});

export const clientRedirectUriInvalid = defineError({
  code: 'client_redirect_uri_invalid',
  oauthError: 'invalid_redirect_uri',
  title: 'Redirect URI not allowed',
  cause:
    'A redirect URI is missing, not absolute, has a fragment, wildcard or user part, or uses a scheme other than https, http on a loopback address, or a private-use scheme with a dot (RFC 8252 §7, RFC 9700 §2.1).',
  fix: 'Send the exact redirect URIs of the client, at most 4.',
});
