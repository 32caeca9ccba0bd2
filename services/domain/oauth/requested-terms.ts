import type { Client } from '../access/access-directory.ts';
import { allowedAudience } from '../tokens/issue/allowed-audience.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';

/** RFC 6749 §3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** Returns the requested scopes, by default all registered ones; null if one is not registered, or if there is none. */
export function requestedScopes(client: Client, scope: string | undefined): readonly string[] | null {
  const scopes = scope === undefined ? client.scopes : [...new Set(scope.split(' '))];
  if (scopes.length === 0 || (scope !== undefined && !SCOPE.test(scope))) return null;
  return scopes.every((name) => client.scopes.includes(name)) ? scopes : null;
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
