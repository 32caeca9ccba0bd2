import type { Caller } from '../ports.ts';
import { grantNotAllowed } from '../tokens/errors.ts';
import type { TokenPairAnswer } from '../tokens/family-token.ts';
import { type GrantTokenInput, type GrantTokenPorts, grantToken } from '../tokens/grant-token.ts';
import type { ClientTokenAnswer } from '../tokens/issue-client-token.ts';
import { type OAuthClient, oauthClient } from '../tokens/oauth-client.ts';
import type { OAuthTokenAnswer } from './oauth-login.ts';
import { type RedeemCodePorts, redeemCode } from './redeem-code.ts';

export type TokenRequest = GrantTokenInput & {
  readonly code?: string | undefined;
  readonly redirect_uri?: string | undefined;
  readonly code_verifier?: string | undefined;
};

export type TokenRequestPorts = GrantTokenPorts & RedeemCodePorts;

/** A parameter without a value counts as left out (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** The client where this grant is registered for it. Throws `client_unauthenticated` (401), `grant_not_allowed` (400). */
function clientFor(ports: TokenRequestPorts, input: TokenRequest, caller: Caller): OAuthClient {
  const client = oauthClient(ports, given(input.client_id), caller);
  if (!ports.access.client(client.clientId)?.grantTypes.includes(input.grant_type)) throw grantNotAllowed();
  return client;
}

/**
 * The token endpoint (RFC 6749 §3.2) with every grant there is: those that begin with a user here, those of tokens and
 * clients alone in `tokens`. Throws what the grants throw.
 */
export async function answerTokenRequest(
  ports: TokenRequestPorts,
  input: TokenRequest,
  caller: Caller,
): Promise<ClientTokenAnswer | TokenPairAnswer | OAuthTokenAnswer> {
  if (input.grant_type !== 'authorization_code') return grantToken(ports, input, caller);
  const client = clientFor(ports, input, caller);
  return redeemCode(
    ports,
    {
      client,
      code: given(input.code),
      redirectUri: given(input.redirect_uri),
      codeVerifier: given(input.code_verifier),
      resource: given(input.resource),
      jkt: undefined,
    },
    caller,
  );
}
