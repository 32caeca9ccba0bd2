import { requestInvalid } from '../../platform/errors.ts';
import type { Caller } from '../ports.ts';
import { grantNotAllowed, grantTypeUnsupported } from './errors.ts';
import type { TokenPairAnswer } from './families/family-token.ts';
import { type ClientTokenAnswer, type ClientTokenPorts, issueClientToken } from './issue-client-token.ts';
import { oauthClient } from './oauth-client.ts';
import { type RefreshTokenPorts, refreshToken } from './refresh-token.ts';

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

export type GrantTokenPorts = ClientTokenPorts & RefreshTokenPorts;

/** A parameter without a value counts as left out (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/**
 * The token endpoint (RFC 6749 §3.2).
 * Throws what its grants throw, `grant_type_unsupported`, `grant_not_allowed` (400), `client_unauthenticated` (401).
 */
export async function grantToken(
  ports: GrantTokenPorts,
  input: GrantTokenInput,
  caller: Caller,
  keys: ProvenKeys = {},
): Promise<ClientTokenAnswer | RefreshedPair> {
  const scope = given(input.scope);
  const resource = given(input.resource);
  switch (input.grant_type) {
    case 'client_credentials':
      oauthClient(ports, given(input.client_id), caller);
      return issueClientToken(ports, { scope, resource, audience: given(input.audience), ...keys }, caller);
    case 'refresh_token': {
      const client = oauthClient(ports, given(input.client_id), caller);
      if (!ports.access.client(client.clientId)?.grantTypes.includes('refresh_token')) throw grantNotAllowed();
      const presented = given(input.refresh_token);
      if (presented === undefined)
        throw requestInvalid({ problems: [{ at: 'body/refresh_token', why: 'is required' }] });
      const presentedBy = { ...client, ...keys };
      const pair = await refreshToken(ports, { refreshToken: presented, presentedBy, scope, resource }, caller);
      return keys.jkt === undefined ? pair : { ...pair, token_type: 'DPoP' };
    }
    default:
      throw grantTypeUnsupported();
  }
}
