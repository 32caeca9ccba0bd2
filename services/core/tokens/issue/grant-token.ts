import { knownScopesOf } from '#services/core/access/requested-scopes.ts';
import type { Caller } from '#services/core/ports.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import type { TokenPairAnswer } from '../refresh/family-token.ts';
import { type RefreshTokenPorts, refreshToken } from '../refresh/refresh-token.ts';
import { type ClientTokenAnswer, type ClientTokenPorts, issueClientToken } from './issue-client-token.ts';
import type { OAuthClient } from './oauth-client.ts';

export type GrantTokenInput = {
  readonly grant_type: string;
  readonly refresh_token?: string | undefined;
  readonly scope?: string | undefined;
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
  readonly client_id?: string | undefined;
};

/** A token of type DPoP is bound to a key, and the client presents it with a proof (RFC 9449 §5). */
export type RefreshedPair = Omit<TokenPairAnswer, 'token_type'> & { readonly token_type: 'Bearer' | 'DPoP' };

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
  if (input.grant_type === 'client_credentials')
    return issueClientToken(ports, { scope, resource, audience: given(input.audience), ...keys }, caller);
  const presented = given(input.refresh_token);
  if (presented === undefined) throw requestInvalid({ problems: [{ at: 'body/refresh_token', why: 'is required' }] });
  const presentedBy = { ...client, ...keys };
  const asked = scope === undefined ? undefined : knownScopesOf(ports, scope);
  const pair = await refreshToken(ports, { refreshToken: presented, presentedBy, scope: asked, resource }, caller);
  return keys.jkt === undefined ? pair : { ...pair, token_type: 'DPoP' };
}
