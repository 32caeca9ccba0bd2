import type { Ports } from '../../domain/ports.ts';
import { introspectTokenEndpoint, oauthTokenEndpoint, revokeOAuthTokenEndpoint } from '../../domain/tokens/contract.ts';
import { type GrantTokenPorts, grantToken } from '../../domain/tokens/grant-token.ts';
import { introspectToken } from '../../domain/tokens/introspect-token.ts';
import { oauthClient } from '../../domain/tokens/oauth-client.ts';
import { revokeOAuthToken } from '../../domain/tokens/revoke-oauth-token.ts';
import type { RevokePorts } from '../../domain/tokens/revoke-token.ts';
import type { ValidatePorts } from '../../domain/tokens/validate-token.ts';
import { bind, type RouteContext } from '../bind.ts';

export type OAuthRoutesPorts = GrantTokenPorts & RevokePorts & ValidatePorts & Pick<Ports, 'sql'>;

export function oauthRoutes(routes: RouteContext, ports: OAuthRoutesPorts): void {
  bind(routes, oauthTokenEndpoint, ({ body }, caller) => grantToken(ports, body, caller));
  bind(routes, introspectTokenEndpoint, ({ body }, caller) => introspectToken(ports, body.token, caller));
  bind(routes, revokeOAuthTokenEndpoint, ({ body }, caller) =>
    revokeOAuthToken(ports, body.token, oauthClient(ports, body.client_id, caller).clientId, caller),
  );
}
