import { clientOrAgent, knownAs } from '../access/client-caller.ts';
import { FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import type { Caller, RequestContext } from '../ports.ts';
import type { LiveApiKey } from './api-key-directory.ts';
import { type LiveKeyPorts, type LiveOwnedKey, liveKeyOf } from './live-key.ts';

export type ApiKeyCallerPorts = LiveKeyPorts;

/**
 * The owner of an API key, with those of the key's permissions that the owner has now; null when the key is invalid.
 * Reads memory only. Throws `revocation_state_stale`, `state_rewound`, `clock_wrong` or `api_keys_stale` (503) when this
 * copy cannot decide.
 */
export function recogniseApiKey(
  ports: ApiKeyCallerPorts,
  text: string,
  request: RequestContext,
): { readonly key: LiveApiKey; readonly caller: Caller } | null {
  const found = liveKeyOf(ports, text);
  if (typeof found === 'string') return null;
  return { key: found.key, caller: callerOf(ports, found, request) };
}

/** The key loses a permission with its owner, and does not gain one with its owner. */
const narrowed = (key: LiveApiKey, owned: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(key.permissions.filter((permission) => owned.has(permission)));

function callerOf({ access }: ApiKeyCallerPorts, { key, client }: LiveOwnedKey, request: RequestContext): Caller {
  if (client !== null) {
    const permissions = narrowed(key, new Set(client.credential_scopes));
    return clientOrAgent(client.agent, { ...knownAs(client), permissions, by: 'api_key', request });
  }
  return {
    kind: 'user',
    userId: key.user_id as string,
    sessionId: null,
    clientId: FIRST_PARTY_CLIENT_ID,
    permissions: narrowed(key, access.permissionsOf(key.roles)),
    roles: key.roles,
    by: 'api_key',
    tokenId: null,
    familyId: null,
    // A key is no sign-in: endpoints that require a recent one reject it.
    authTime: 0,
    request,
  };
}
