import { apiKeyChecks } from '#observability/metrics/api-keys.ts';
import type { Client, HasAccess } from '../access/access-directory.ts';
import { assertVerifiable, type VerifiablePorts } from '../tokens/verify/assert-verifiable.ts';
import type { HasApiKeys, LiveApiKey } from './api-key-directory.ts';
import { parseApiKey } from './api-key-format.ts';
import { apiKeysStale } from './errors.ts';

export type LiveKeyPorts = HasApiKeys & HasAccess & VerifiablePorts;

/** A live key whose owner is live: `client` is the owner, or null for the key of a user. */
export type LiveOwnedKey = { readonly key: LiveApiKey; readonly client: Client | null };
type Refused = 'malformed' | 'unknown' | 'owner';

/**
 * The live key with this text, or why there is none. Reads memory only. Throws `revocation_state_stale`, `state_rewound`,
 * `clock_wrong` or `api_keys_stale` (503) when this copy cannot decide.
 */
export function liveKeyOf(ports: LiveKeyPorts, text: string): LiveOwnedKey | Refused {
  const found = look(ports, text);
  apiKeyChecks.add(1, { outcome: typeof found === 'string' ? found : 'ok' });
  return found;
}

function look(ports: LiveKeyPorts, text: string): LiveOwnedKey | Refused {
  const presented = parseApiKey(text);
  if (presented === null) return 'malformed';
  assertVerifiable(ports);
  if (!ports.apiKeys.isFresh()) throw apiKeysStale({ retryAfterSeconds: 1 });
  const key = ports.apiKeys.authenticate(presented);
  if (key === null) return 'unknown';
  if (key.user_id !== null) return isUserLive(ports, key, key.user_id) ? { key, client: null } : 'owner';
  const client = key.client_id === null ? undefined : ports.access.client(key.client_id);
  return client === undefined || client.disabled || key.owner_epoch < client.tokenEpoch ? 'owner' : { key, client };
}

function isUserLive({ revocations }: LiveKeyPorts, key: LiveApiKey, userId: string): boolean {
  // The revocation feed may know a new epoch before the directory does.
  const epoch = Math.max(key.current_epoch, revocations.userEpoch(userId) ?? 0);
  return !key.is_owner_disabled && key.owner_epoch >= epoch;
}
