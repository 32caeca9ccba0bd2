import { answerTokenRequest, type TokenRequestPorts } from '../../domain/oauth/answer-token-request.ts';
import { oauthTokenEndpoint, readUserInfoEndpoint } from '../../domain/oauth/contract.ts';
import { readUserInfo } from '../../domain/oauth/read-user-info.ts';
import type { Ports } from '../../domain/ports.ts';
import { introspectTokenEndpoint, revokeOAuthTokenEndpoint } from '../../domain/tokens/contract.ts';
import { introspectToken } from '../../domain/tokens/introspect-token.ts';
import { oauthClient } from '../../domain/tokens/oauth-client.ts';
import { revokeOAuthToken } from '../../domain/tokens/revoke-oauth-token.ts';
import type { RevokePorts } from '../../domain/tokens/revoke-token.ts';
import type { ValidatePorts } from '../../domain/tokens/validate-token.ts';
import { bind, type RouteContext } from '../bind.ts';
import { extractTokenFromRequest } from '../credentials.ts';

export type OAuthRoutesPorts = TokenRequestPorts & RevokePorts & ValidatePorts & Pick<Ports, 'sql'>;

export function oauthRoutes(routes: RouteContext, ports: OAuthRoutesPorts): void {
  bind(routes, oauthTokenEndpoint, ({ body }, caller) => answerTokenRequest(ports, body, caller));
  bind(routes, readUserInfoEndpoint, (_input, _caller, request) =>
    readUserInfo(ports, extractTokenFromRequest(request) ?? ''),
  );
  bind(routes, introspectTokenEndpoint, ({ body }, caller) => introspectToken(ports, body.token, caller));
  bind(routes, revokeOAuthTokenEndpoint, ({ body }, caller) =>
    revokeOAuthToken(ports, body.token, oauthClient(ports, body.client_id, caller).clientId, caller),
  );
}
