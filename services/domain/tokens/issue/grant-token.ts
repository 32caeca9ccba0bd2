import type { Caller } from '#services/domain/ports.ts';
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

/** Presented with a proof where it is bound to a key (RFC 9449 §5). */
export type RefreshedPair = Omit<TokenPairAnswer, 'token_type'> & { readonly token_type: 'Bearer' | 'DPoP' };

/** Keys proved with the request, before anything else. */
export type ProvenKeys = { readonly jkt?: string; readonly x5t?: string };

/** A client that may have the grant it asks for, and the keys it has proved: of a DPoP proof, of its certificate. */
export type AdmittedClient = { readonly client: OAuthClient; readonly keys: ProvenKeys };

export type GrantTokenPorts = ClientTokenPorts & RefreshTokenPorts;

/** A parameter without a value counts as left out (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/**
 * The grants of clients and tokens alone: client credentials, else a refresh token (RFC 6749 §4.4, §6).
 * Throws what the two throw, `request_invalid` (400) where there is no refresh token.
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
  const pair = await refreshToken(ports, { refreshToken: presented, presentedBy, scope, resource }, caller);
  return keys.jkt === undefined ? pair : { ...pair, token_type: 'DPoP' };
}
