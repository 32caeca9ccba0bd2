import { requestInvalid } from '#services/platform/errors.ts';
import { CORE_GRANT_TYPES, DEVICE_GRANT, JWT_BEARER, TOKEN_EXCHANGE } from '../access/grant-shapes.ts';
import type { Caller } from '../ports.ts';
import { assertMayIssue } from '../revocations/revocation-set.ts';
import { dpopProofInvalid } from '../tokens/dpop/dpop-errors.ts';
import { consumeProof, type DpopPorts, type PresentedProof, verifyProof } from '../tokens/dpop/use-dpop-proof.ts';
import { grantNotAllowed, grantTypeUnsupported } from '../tokens/errors.ts';
import {
  type AdmittedClient,
  type GrantTokenInput,
  type GrantTokenPorts,
  grantToken,
  oauthClient,
} from '../tokens/issue/grant-token.ts';
import { checkPresented } from '../tokens/refresh/rotate-family.ts';
import { assertProfileProof } from './assert-profile-proof.ts';
import { type RedeemIdentityPorts, redeemIdentityAssertion } from './assertions/redeem-identity-assertion.ts';
import type { BoundGrant } from './backchannel.ts';
import { redeemDeviceCode } from './devices/redeem-device-code.ts';
import { certificateUnreadable } from './errors.ts';
import { type ExchangedToken, type ExchangeTokenPorts, exchangeToken } from './exchange-token.ts';
import type { OAuthTokenAnswer } from './finish-oauth-sign-in.ts';
import { type RedeemCodePorts, redeemAuthorizationCode } from './redeem-code.ts';

export type TokenRequest = GrantTokenInput & {
  readonly code?: string | undefined;
  readonly redirect_uri?: string | undefined;
  readonly code_verifier?: string | undefined;
  readonly device_code?: string | undefined;
  readonly subject_token?: string | undefined;
  readonly subject_token_type?: string | undefined;
  readonly requested_token_type?: string | undefined;
  readonly actor_token?: string | undefined;
  readonly actor_token_type?: string | undefined;
  readonly assertion?: string | undefined;
  readonly auth_req_id?: string | undefined;
};

export type TokenRequestPorts = GrantTokenPorts &
  RedeemCodePorts &
  DpopPorts &
  ExchangeTokenPorts &
  RedeemIdentityPorts & { readonly grants: readonly BoundGrant[] };

const GRANTS: ReadonlySet<string> = new Set(CORE_GRANT_TYPES);

/** An empty parameter is treated as omitted (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/**
 * Verifies the client and its keys: checks that need no store come first, the DPoP proof is consumed last.
 * Throws `client_unauthenticated` (401), `grant_not_allowed`, `refresh_token_invalid`, `dpop_proof_invalid`,
 * `dpop_nonce_required`, `client_certificate_unreadable`, `request_invalid` (400), `store_unavailable` (503).
 */
async function admit(
  ports: TokenRequestPorts,
  input: TokenRequest,
  caller: Caller,
  presented: PresentedProof | undefined,
): Promise<AdmittedClient> {
  const { certificate } = caller.request;
  if (certificate === null) throw certificateUnreadable();
  const proof = presented === undefined ? undefined : verifyProof(ports, presented);
  const client = oauthClient(ports, given(input.client_id), caller);
  const registered = ports.access.client(client.clientId);
  assertProfileProof(registered, proof);
  // The client-credentials use-case checks this itself, because it writes an audit row for a refusal.
  if (input.grant_type !== 'client_credentials' && !registered?.grant_types.includes(input.grant_type))
    throw grantNotAllowed();
  if (certificate === undefined && registered?.tls_client_certificate_bound_access_tokens)
    throw requestInvalid({ detail: 'Tokens of this client are bound to a certificate, and the connection has none.' });
  const certificateKeys = certificate === undefined ? {} : { x5t: certificate };
  if (proof === undefined) {
    if (registered?.dpop_bound_access_tokens)
      throw dpopProofInvalid({ detail: 'Tokens of this client are bound to a DPoP key.' });
    return { client, keys: certificateKeys };
  }
  const refreshToken = given(input.refresh_token);
  const keys = { jkt: proof.jkt, ...certificateKeys };
  // A malformed refresh token is refused without a query.
  if (input.grant_type === 'refresh_token' && refreshToken !== undefined)
    await checkPresented(ports, { refreshToken, presentedBy: { ...client, ...keys } });
  await consumeProof(ports, proof);
  return { client, keys };
}

/**
 * The token endpoint (RFC 6749 §3.2) with every grant: codes, device codes, token exchange and identity assertions are
 * implemented here, refresh and client credentials in `tokens`, and others by wings. Throws what the grants throw.
 */
export async function answerTokenRequest(
  ports: TokenRequestPorts,
  input: TokenRequest,
  caller: Caller,
  presented?: PresentedProof,
): Promise<Awaited<ReturnType<typeof grantToken>> | OAuthTokenAnswer | ExchangedToken> {
  const added = ports.grants.find(({ type }) => type === input.grant_type);
  if (added === undefined && !GRANTS.has(input.grant_type)) throw grantTypeUnsupported();
  const admitted = await admit(ports, input, caller, presented);
  const { client, keys } = admitted;
  if (added !== undefined) {
    assertMayIssue(ports.revocations);
    return added.redeem({ ...admitted, authReqId: given(input.auth_req_id) }, caller);
  }
  const authorizationDetails = given(input.authorization_details);
  if (input.grant_type === DEVICE_GRANT)
    return redeemDeviceCode(
      ports,
      { client, keys, deviceCode: given(input.device_code), authorizationDetails },
      caller,
    );
  if (input.grant_type === TOKEN_EXCHANGE)
    return exchangeToken(
      ports,
      {
        client,
        keys,
        subjectToken: given(input.subject_token),
        subjectTokenType: given(input.subject_token_type),
        requestedTokenType: given(input.requested_token_type),
        actorToken: given(input.actor_token),
        actorTokenType: given(input.actor_token_type),
        scope: given(input.scope),
        resource: given(input.resource),
        audience: given(input.audience),
        authorizationDetails,
      },
      caller,
    );
  if (input.grant_type === JWT_BEARER) {
    const terms = { scope: given(input.scope), resource: given(input.resource), authorizationDetails };
    return redeemIdentityAssertion(ports, { ...admitted, ...terms, assertion: given(input.assertion) }, caller);
  }
  if (input.grant_type !== 'authorization_code') return grantToken(ports, input, admitted, caller);
  return redeemAuthorizationCode(
    ports,
    {
      client,
      code: given(input.code),
      redirectUri: given(input.redirect_uri),
      codeVerifier: given(input.code_verifier),
      resource: given(input.resource),
      authorizationDetails,
      keys,
    },
    caller,
  );
}
