import type { FastifyRequest } from 'fastify';
import type { HasPublicAddress } from '#services/core/access/server-metadata.ts';
import { API_KEY_PREFIX } from '#services/core/api-keys/api-key-format.ts';
import { introspectApiKey, type VerifyApiKeyPorts } from '#services/core/api-keys/verify-api-key.ts';
import { answerTokenRequest, type TokenRequestPorts } from '#services/core/oauth/answer-token-request.ts';
import { type PushPorts, pushAuthorizationRequest } from '#services/core/oauth/authorize/push-authorization-request.ts';
import { readUserInfo } from '#services/core/oauth/claims/read-user-info.ts';
import {
  oauthTokenEndpoint,
  pushAuthorizationRequestEndpoint,
  readUserInfoEndpoint,
  sendUserInfoEndpoint,
} from '#services/core/oauth/contract.ts';
import { beginDeviceGrant } from '#services/core/oauth/devices/begin-device-grant.ts';
import { beginDeviceGrantEndpoint } from '#services/core/oauth/devices/device-contract.ts';
import type { Ports } from '#services/core/ports.ts';
import { type Answer, answer, JsonText } from '#services/core/shared/answer.ts';
import { introspectTokenEndpoint, revokeOAuthTokenEndpoint } from '#services/core/tokens/contract.ts';
import { dpopNonce } from '#services/core/tokens/dpop/dpop-nonce.ts';
import type { PresentedProof } from '#services/core/tokens/dpop/use-dpop-proof.ts';
import { oauthClient } from '#services/core/tokens/issue/grant-token.ts';
import { revokeOAuthToken } from '#services/core/tokens/revoke/revoke-oauth-token.ts';
import type { RevokePorts } from '#services/core/tokens/revoke/revoke-token.ts';
import { introspectToken } from '#services/core/tokens/verify/introspect-token.ts';
import type { HasLegacyBridge } from '#services/core/tokens/verify/legacy-bridge-port.ts';
import type { ValidatePorts } from '#services/core/tokens/verify/validate-token.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { bind, type RouteContext } from '../bind.ts';
import { extractTokenFromRequest } from '../requests/credentials.ts';

type OAuthRoutesPorts = TokenRequestPorts &
  PushPorts &
  RevokePorts &
  ValidatePorts &
  VerifyApiKeyPorts &
  HasPublicAddress &
  HasLegacyBridge &
  Pick<Ports, 'sql'>;

/** A parameter without a value is treated as absent (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

export function oauthRoutes(routes: RouteContext, ports: OAuthRoutesPorts): void {
  const proofFor = ({ path }: Endpoint, { headers }: FastifyRequest): PresentedProof | undefined =>
    typeof headers.dpop === 'string'
      ? { proof: headers.dpop, htm: 'POST', htu: `${ports.publicUrl}${path}` }
      : undefined;
  /** Adds the nonce for the next request of a client that sends a DPoP proof (RFC 9449 §8.2). */
  const answerProved = (status: number, body: unknown, proof: PresentedProof | undefined): Answer =>
    answer(status, body, {
      // For caches of HTTP/1.0 (RFC 6749 §5.1).
      pragma: 'no-cache',
      ...(proof && ports.tokenSettings.requireDpopNonce ? { 'dpop-nonce': dpopNonce(ports) } : {}),
    });

  bind(routes, oauthTokenEndpoint, async ({ body }, caller, request) => {
    const proof = proofFor(oauthTokenEndpoint, request);
    return answerProved(200, await answerTokenRequest(ports, body, caller, proof), proof);
  });
  bind(routes, pushAuthorizationRequestEndpoint, async ({ body }, caller, request) => {
    const proof = proofFor(pushAuthorizationRequestEndpoint, request);
    return answerProved(201, await pushAuthorizationRequest(ports, body, caller, proof), proof);
  });
  bind(routes, beginDeviceGrantEndpoint, ({ body }, caller) =>
    beginDeviceGrant(
      ports,
      {
        clientId: given(body.client_id),
        scope: given(body.scope),
        resource: given(body.resource),
        authorizationDetails: given(body.authorization_details),
      },
      caller,
    ),
  );
  for (const endpoint of [readUserInfoEndpoint, sendUserInfoEndpoint])
    bind(routes, endpoint, (_input, _caller, request) => readUserInfo(ports, extractTokenFromRequest(request) ?? ''));
  bind(routes, introspectTokenEndpoint, ({ body }, caller) => {
    const introspect = body.token.startsWith(API_KEY_PREFIX) ? introspectApiKey : introspectToken;
    const text = introspect(ports, body.token, caller);
    return typeof text === 'string' ? new JsonText(text) : text.then((made) => new JsonText(made));
  });
  bind(routes, revokeOAuthTokenEndpoint, ({ body }, caller) =>
    revokeOAuthToken(ports, body.token, oauthClient(ports, body.client_id, caller).clientId, caller),
  );
}
