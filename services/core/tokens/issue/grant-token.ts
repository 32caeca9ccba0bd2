import type { HasAccess } from '#services/core/access/access-directory.ts';
import { knownScopesOf } from '#services/core/access/requested-scopes.ts';
import { clientOf } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import { clientUnauthenticated, requestInvalid } from '#services/platform/errors.ts';
import { type RefreshTokenPorts, refreshToken } from '../refresh/refresh-token.ts';
import { type ClientTokenAnswer, type ClientTokenPorts, issueClientToken } from './issue-client-token.ts';

export type GrantTokenInput = {
  readonly grant_type: string;
  readonly refresh_token?: string | undefined;
  readonly scope?: string | undefined;
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
  readonly authorization_details?: string | undefined;
  readonly client_id?: string | undefined;
};

/** A token of type DPoP is bound to a key, and the client presents it with a proof (RFC 9449 §5). */
type RefreshedPair = Omit<Awaited<ReturnType<typeof refreshToken>>, 'token_type'> & {
  readonly token_type: 'Bearer' | 'DPoP';
};

/** Keys whose possession the client has proved with the request. */
export type ProvenKeys = { readonly jkt?: string; readonly x5t?: string };

/** A client that may use the grant, with the keys of its DPoP proof and of its certificate. */
export type AdmittedClient = { readonly client: OAuthClient; readonly keys: ProvenKeys };

export type GrantTokenPorts = ClientTokenPorts & RefreshTokenPorts;

/** A parameter without a value counts as left out (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/**
 * Processes the grants without user interaction: client credentials and refresh token (RFC 6749 §4.4, §6).
 * Throws what `issueClientToken` and `refreshToken` throw, and `request_invalid` (400) without a refresh token.
 */
export async function grantToken(
  ports: GrantTokenPorts,
  input: GrantTokenInput,
  { client, keys }: AdmittedClient,
  caller: Caller,
): Promise<ClientTokenAnswer | RefreshedPair> {
  const scope = given(input.scope);
  const resource = given(input.resource);
  const authorizationDetails = given(input.authorization_details);
  if (input.grant_type === 'client_credentials')
    return issueClientToken(
      ports,
      { scope, resource, audience: given(input.audience), authorizationDetails, ...keys },
      caller,
    );
  const presented = given(input.refresh_token);
  if (presented === undefined) throw requestInvalid({ problems: [{ at: 'body/refresh_token', why: 'is required' }] });
  const presentedBy = { ...client, ...keys };
  const asked = scope === undefined ? undefined : knownScopesOf(ports, scope);
  const request = { refreshToken: presented, presentedBy, scope: asked, resource, authorizationDetails };
  const pair = await refreshToken(ports, request, caller);
  return keys.jkt === undefined ? pair : { ...pair, token_type: 'DPoP' };
}

/** The client of a request to an OAuth endpoint: a confidential client that authenticated, a public client by its id only. */
export type OAuthClient = { readonly clientId: string; readonly isAuthenticated: boolean };

/**
 * Throws `client_unauthenticated` (401 `invalid_client`) for an unknown or disabled client, and for a confidential client
 * that did not authenticate; `request_invalid` when header and form name different clients (RFC 6749 §2.3).
 */
export function oauthClient({ access }: HasAccess, named: string | undefined, caller: Caller): OAuthClient {
  const authenticated = clientOf(caller);
  if (authenticated !== null) {
    const { clientId } = authenticated;
    if (named !== undefined && named !== '' && named !== clientId)
      throw requestInvalid({ problems: [{ at: 'body/client_id', why: 'is not the client that authenticated' }] });
    // The client may have been disabled or deleted while the body was read, after it authenticated.
    if (access.client(clientId)?.disabled !== false) throw clientUnauthenticated();
    return { clientId, isAuthenticated: true };
  }
  const client = named === undefined ? undefined : access.client(named);
  if (client === undefined || client.disabled || client.secretHash !== null || client.auth_method !== 'none')
    throw clientUnauthenticated();
  return { clientId: client.clientId, isAuthenticated: false };
}
