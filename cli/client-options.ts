import type { ActOptions } from './admin.ts';

export const PKCE = ['required', 'optional'] as const;
export const ROTATION = ['on', 'off'] as const;

/** Client options that are set at creation and can be changed later. */
export type AskedOptions = ActOptions & {
  readonly grants?: string[];
  readonly scopes?: string[];
  readonly credentialScopes?: string[];
  readonly redirectUris?: string[];
  readonly postLogoutRedirectUris?: string[];
  readonly audiences?: string[];
  readonly dpopBound?: boolean;
  readonly certificateBound?: boolean;
  readonly pushesRequests?: boolean;
  readonly pkce?: (typeof PKCE)[number];
  readonly refreshRotation?: (typeof ROTATION)[number];
};

/** Converts the options to members of the API's request bodies. */
export const askedOf = (options: AskedOptions) => ({
  grant_types: options.grants,
  scopes: options.scopes,
  credential_scopes: options.credentialScopes,
  redirect_uris: options.redirectUris,
  post_logout_redirect_uris: options.postLogoutRedirectUris,
  audiences: options.audiences,
  dpop_bound_access_tokens: options.dpopBound,
  tls_client_certificate_bound_access_tokens: options.certificateBound,
  require_pushed_authorization_requests: options.pushesRequests,
  pkce: options.pkce,
  refresh_rotation: options.refreshRotation,
  reason: options.reason,
});
