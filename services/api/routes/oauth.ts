import type { HasPublicAddress } from '../../domain/access/server-metadata.ts';
import { answerTokenRequest, type TokenRequestPorts } from '../../domain/oauth/answer-token-request.ts';
import { beginDeviceGrant } from '../../domain/oauth/begin-device-grant.ts';
import { beginDeviceGrantEndpoint, oauthTokenEndpoint, readUserInfoEndpoint } from '../../domain/oauth/contract.ts';
import { readUserInfo } from '../../domain/oauth/read-user-info.ts';
import type { Ports } from '../../domain/ports.ts';
import { introspectTokenEndpoint, revokeOAuthTokenEndpoint } from '../../domain/tokens/contract.ts';
import { dpopNonce } from '../../domain/tokens/dpop-nonce.ts';
import { introspectToken } from '../../domain/tokens/introspect-token.ts';
import { oauthClient } from '../../domain/tokens/oauth-client.ts';
import { revokeOAuthToken } from '../../domain/tokens/revoke-oauth-token.ts';
import type { RevokePorts } from '../../domain/tokens/revoke-token.ts';
import type { ValidatePorts } from '../../domain/tokens/validate-token.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { extractTokenFromRequest } from '../credentials.ts';

export type OAuthRoutesPorts = TokenRequestPorts & RevokePorts & ValidatePorts & HasPublicAddress & Pick<Ports, 'sql'>;

/** A parameter without a value counts as left out (RFC 6749 §3.2). */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

export function oauthRoutes(routes: RouteContext, ports: OAuthRoutesPorts): void {
  bind(routes, oauthTokenEndpoint, async ({ body }, caller, { headers }) => {
    const { dpop } = headers;
    const htu = `${ports.publicUrl}${oauthTokenEndpoint.path}`;
    const proof = typeof dpop === 'string' ? { proof: dpop, htm: 'POST', htu } : undefined;
    const body200 = await answerTokenRequest(ports, body, caller, proof);
    // The nonce for the next request (RFC 9449 §8.2).
    return proof && ports.tokenSettings.requireDpopNonce
      ? answer(200, body200, { 'dpop-nonce': dpopNonce(ports) })
      : body200;
  });
  bind(routes, beginDeviceGrantEndpoint, ({ body }, caller) =>
    beginDeviceGrant(
      ports,
      { clientId: given(body.client_id), scope: given(body.scope), resource: given(body.resource) },
      caller,
    ),
  );
  bind(routes, readUserInfoEndpoint, (_input, _caller, request) =>
    readUserInfo(ports, extractTokenFromRequest(request) ?? ''),
  );
  bind(routes, introspectTokenEndpoint, ({ body }, caller) => introspectToken(ports, body.token, caller));
  bind(routes, revokeOAuthTokenEndpoint, ({ body }, caller) =>
    revokeOAuthToken(ports, body.token, oauthClient(ports, body.client_id, caller).clientId, caller),
  );
}
