import { apiKeyChecks } from '#observability/metrics/api-keys.ts';
import { FIRST_PARTY_CLIENT_ID, type HasAccess } from '../access/access-directory.ts';
import type { Caller, RequestContext } from '../ports.ts';
import { assertVerifiable, type VerifiablePorts } from '../tokens/verify/assert-verifiable.ts';
import type { HasApiKeys, LiveApiKey } from './api-key-directory.ts';
import { parseApiKey } from './api-key-format.ts';
import { apiKeysStale } from './errors.ts';

export type ApiKeyCallerPorts = HasApiKeys & HasAccess & VerifiablePorts;

export type RecognisedApiKey = { readonly key: LiveApiKey; readonly caller: Caller };

/**
 * The owner of an API key, with those of the key's permissions that the owner has now; null when the key is invalid.
 * Reads memory only. Throws `revocation_state_stale`, `state_rewound`, `clock_wrong` or `api_keys_stale` (503) when this
 * copy cannot decide.
 */
export function recogniseApiKey(
  ports: ApiKeyCallerPorts,
  text: string,
  request: RequestContext,
): RecognisedApiKey | null {
  const presented = parseApiKey(text);
  if (presented === null) return refused('malformed');
  assertVerifiable(ports);
  if (!ports.apiKeys.isFresh()) throw apiKeysStale({ retryAfterSeconds: 1 });
  const key = ports.apiKeys.authenticate(presented);
  if (key === null) return refused('unknown');
  const caller = key.userId === null ? clientOf(ports, key, request) : userOf(ports, key, key.userId, request);
  if (caller === null) return refused('owner');
  apiKeyChecks.add(1, { outcome: 'ok' });
  return { key, caller };
}

function refused(outcome: 'malformed' | 'unknown' | 'owner'): null {
  apiKeyChecks.add(1, { outcome });
  return null;
}

/** The key loses a permission with its owner, and does not gain one with its owner. */
const narrowed = (key: LiveApiKey, owned: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(key.permissions.filter((permission) => owned.has(permission)));

function userOf(
  { access, revocations }: ApiKeyCallerPorts,
  key: LiveApiKey,
  userId: string,
  request: RequestContext,
): Caller | null {
  // The revocation feed may know a new epoch before the directory does.
  const epoch = Math.max(key.currentEpoch, revocations.userEpoch(userId) ?? 0);
  if (key.isOwnerDisabled || key.ownerEpoch < epoch) return null;
  return {
    kind: 'user',
    userId,
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

function clientOf({ access }: ApiKeyCallerPorts, key: LiveApiKey, request: RequestContext): Caller | null {
  const client = key.clientId === null ? undefined : access.client(key.clientId);
  if (client === undefined || client.disabled || key.ownerEpoch < client.tokenEpoch) return null;
  const permissions = narrowed(key, new Set(client.credentialScopes));
  const isVetted = client.origin === 'admin';
  return { kind: 'client', clientId: client.clientId, permissions, by: 'api_key', isVetted, request };
}
