import { requestInvalid } from '../../platform/errors.ts';
import type { Caller } from '../ports.ts';
import { grantNotAllowed, grantTypeUnsupported } from './errors.ts';
import type { TokenPairAnswer } from './family-token.ts';
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
): Promise<ClientTokenAnswer | TokenPairAnswer> {
  const scope = given(input.scope);
  const resource = given(input.resource);
  switch (input.grant_type) {
    case 'client_credentials':
      oauthClient(ports, given(input.client_id), caller);
      return issueClientToken(ports, { scope, resource, audience: given(input.audience) }, caller);
    case 'refresh_token': {
      const client = oauthClient(ports, given(input.client_id), caller);
      if (!ports.access.client(client.clientId)?.grantTypes.includes('refresh_token')) throw grantNotAllowed();
      const presented = given(input.refresh_token);
      if (presented === undefined)
        throw requestInvalid({ problems: [{ at: 'body/refresh_token', why: 'is required' }] });
      return refreshToken(ports, { refreshToken: presented, presentedBy: client, scope, resource }, caller);
    }
    default:
      throw grantTypeUnsupported();
  }
}
