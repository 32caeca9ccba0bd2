import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { HasClientSettings } from '#services/core/access/client-settings.ts';
import {
  readMcpMetadataEndpoint,
  readOpenIdConfigurationEndpoint,
  readResourceMetadataEndpoint,
  readServerMetadataEndpoint,
} from '#services/core/access/metadata-contract.ts';
import {
  type HasGrants,
  type HasOwnScopes,
  type HasPublicAddress,
  mcpMetadata,
  openIdConfiguration,
  resourceMetadata,
  serverMetadata,
} from '#services/core/access/server-metadata.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { bind, type RouteContext } from '../bind.ts';

type ServerMetadataDeps = HasAccess & HasClientSettings & HasGrants & HasKeyRing & HasPublicAddress;
export type MetadataRoutesDeps = ServerMetadataDeps & HasTokenSettings & HasOwnScopes;

/** The issuer's path, if it can be used literally in a route. */
const pathOf = (issuer: string): string | undefined => /^((?:\/[\w.~-]+)+)\/?$/.exec(new URL(issuer).pathname)?.[1];

const ofIssuer = <E extends Endpoint>(endpoint: E, path: Endpoint['path']): E => ({
  ...endpoint,
  path,
  operation: `${endpoint.operation}OfIssuer`,
});

/** Discovery for clients and resource servers, also at the issuer's path if it has one. */
export function metadataRoutes(routes: RouteContext, deps: MetadataRoutesDeps): void {
  serverMetadataRoutes(routes, deps);
  bind(routes, readResourceMetadataEndpoint, () => resourceMetadata(deps));
  const [mcp] = deps.tokenSettings.mcpAudiences;
  if (mcp !== undefined) bind(routes, readMcpMetadataEndpoint, () => mcpMetadata(deps, mcp));
}

/** Documents of the authorization server. @param paths at which clients look for them too */
export function serverMetadataRoutes(
  routes: RouteContext,
  deps: ServerMetadataDeps,
  paths: readonly (string | undefined)[] = [pathOf(deps.issuer)],
): void {
  const server = readServerMetadataEndpoint;
  const openId = readOpenIdConfigurationEndpoint;
  bind(routes, server, () => serverMetadata(deps));
  bind(routes, openId, () => openIdConfiguration(deps));
  for (const path of paths) {
    if (path === undefined) continue;
    // RFC 8414 §3.1 appends the issuer's path; OpenID Connect Discovery §4 begins with it.
    bind(routes, ofIssuer(server, `${server.path}${path}`), () => serverMetadata(deps));
    bind(routes, ofIssuer(openId, `/${path.slice(1)}${openId.path}`), () => openIdConfiguration(deps));
  }
}
