import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { ClientProfile } from '../services/domain/access/client-auth-shapes.ts';
import type { ActOptions } from './admin.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export const PKCE = ['required', 'optional'] as const;
export const ROTATION = ['on', 'off'] as const;

/** Client options that are set at creation and can be changed later. */
export type AskedOptions = ActOptions &
  KeyOptions & {
    readonly grants?: string[];
    readonly scopes?: string[];
    readonly credentialScopes?: string[];
    readonly redirectUris?: string[];
    readonly postLogoutRedirectUris?: string[];
    readonly audiences?: string[];
    readonly dpopBound?: boolean;
    readonly certificateBound?: boolean;
    readonly pushesRequests?: boolean;
    readonly profile?: ClientProfile;
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
  profile: options.profile,
  pkce: options.pkce,
  refresh_rotation: options.refreshRotation,
  reason: options.reason,
});

export type KeyOptions = { readonly jwks?: string; readonly jwksUri?: string };

export const addKeys = (command: Command): Command =>
  command
    .option('--jwks <file>', 'JWK set with the public keys of a private_key_jwt client (RFC 7523)')
    .option('--jwks-uri <url>', 'https URL of its JWK set');

/** The members of the API's request bodies; reads the file. */
export function keysOf({ jwks, jwksUri }: KeyOptions): { readonly jwks?: unknown; readonly jwks_uri?: string } {
  if (jwks === undefined) return jwksUri === undefined ? {} : { jwks_uri: jwksUri };
  try {
    const set: unknown = JSON.parse(readFileSync(jwks, 'utf8'));
    return { jwks: set, ...(jwksUri === undefined ? {} : { jwks_uri: jwksUri }) };
  } catch {
    throw new CommandError(exitCodes.usage, `${jwks} is not a readable JSON file`, 'give a file with a JWK set');
  }
}
