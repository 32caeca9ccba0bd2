import type { Client } from '../access/access-directory.ts';
import { isOwnScope } from '../authority/own-scopes.ts';
import { allowedAudience } from '../tokens/issue/allowed-audience.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';

/** RFC 6749 §3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/**
 * Returns the requested scopes, by default all registered ones; null if one is not registered, or if there is none. Own
 * scopes mean something at the MCP server only, so they are left out for every other audience.
 */
export function requestedScopes(
  { tokenSettings }: HasTokenSettings,
  client: Client,
  scope: string | undefined,
  audience: string | null,
): readonly string[] | null {
  if (scope !== undefined && !SCOPE.test(scope)) return null;
  const asked = scope === undefined ? client.scopes : [...new Set(scope.split(' '))];
  if (!asked.every((name) => client.scopes.includes(name))) return null;
  const isForMcp = audience !== null && audience === tokenSettings.mcpAudience;
  const scopes = isForMcp ? asked : asked.filter((name) => !isOwnScope(name));
  return scopes.length === 0 ? null : scopes;
}

/**
 * Returns the audience of a token: an absolute URI without a fragment (RFC 8707 §2); null if the client is not allowed
 * it.
 */
export function requestedAudience(
  ports: HasTokenSettings,
  client: Client,
  resource: string | undefined,
): string | null {
  if (resource !== undefined && (!URL.canParse(resource) || resource.includes('#'))) return null;
  try {
    return allowedAudience(ports, client, resource);
  } catch {
    return null;
  }
}
