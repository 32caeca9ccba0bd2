import type { Client, HasAccess } from '../access/access-directory.ts';
import { type ScopesAsked, scopesAsked } from '../access/requested-scopes.ts';
import { isOwnScope } from '../authority/own-scopes.ts';
import { allowedAudience } from '../tokens/issue/allowed-audience.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';

/** What this module grants and narrows. */
export {
  type AuthorizationDetails,
  detailFacts,
  detailsAsked,
  detailsInToken,
  detailsNow,
  detailsWithin,
  parseAuthorizationDetails,
} from '../tokens/authorization-details.ts';

/**
 * The scopes of a sign-in, by default all registered ones. Own scopes mean something at the MCP server only, so they are
 * left out for every other audience.
 */
export function requestedScopes(
  ports: HasTokenSettings & HasAccess,
  client: Client,
  scope: string | undefined,
  audience: string | null,
): ScopesAsked {
  const asked = scopesAsked(ports, client, scope, client.scopes);
  if (asked.why !== undefined) return asked;
  const isForMcp = audience !== null && ports.tokenSettings.mcpAudiences.includes(audience);
  const scopes = isForMcp ? asked.scopes : asked.scopes.filter((name) => !isOwnScope(name));
  return scopes.length === 0 ? { why: 'The client is registered for no scope that means something here.' } : { scopes };
}

/**
 * The resource of a request that names none: the MCP server, if a client that registered itself asks for own scopes, which
 * mean something nowhere else. MCP clients of the revisions before 2025-06-18 name no resource.
 */
function impliedResource(
  { tokenSettings }: HasTokenSettings,
  client: Client,
  scope: string | undefined,
): string | undefined {
  if (client.origin === 'admin') return undefined;
  const asked = scope === undefined ? client.scopes : scope.split(' ');
  return asked.some(isOwnScope) ? tokenSettings.mcpAudiences[0] : undefined;
}

/**
 * Returns the audience of a token: an absolute URI without a fragment (RFC 8707 §2); null if the client is not allowed
 * it.
 */
export function requestedAudience(
  ports: HasTokenSettings,
  client: Client,
  resource: string | undefined,
  scope?: string,
): string | null {
  if (resource !== undefined && (!URL.canParse(resource) || resource.includes('#'))) return null;
  try {
    return allowedAudience(ports, client, resource ?? impliedResource(ports, client, scope));
  } catch {
    return null;
  }
}
