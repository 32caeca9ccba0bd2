import { setAuditContext } from '../audit/audit-context.ts';
import { assertNoApiKey } from '../authority/own-account.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { apiKeyViewOf } from './api-key-view.ts';
import { readApiKey, revokeKey, revokeKeysSince } from './api-keys.store.ts';
import type { ApiKeyView } from './contract.ts';
import { apiKeyUnknown } from './errors.ts';
import { type HasApiKeysChanged, ownerOf, ownKey } from './key-owner.ts';

type RevokePorts = Pick<Ports, 'transact'> & HasApiKeysChanged;

/**
 * Revokes a key of the caller; a second time changes nothing. This copy rejects the key before it answers, the other
 * copies after their next poll. Throws `api_key_unknown` (404), `api_key_not_accepted`, `permission_missing` (403).
 */
export async function revokeApiKey(
  ports: RevokePorts,
  { api_key_id: apiKeyId }: { readonly api_key_id: string },
  caller: Caller,
): Promise<void> {
  assertNoApiKey(caller);
  const owner = ownerOf(caller);
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller);
    await ownKey(tx, owner, apiKeyId);
    await revokeKey(tx, apiKeyId, 'owner');
    tx.afterCommit(ports.apiKeysChanged);
  });
}

/** Revokes a key of any owner and records the reason. Throws `api_key_unknown` (404). */
export const revokeAnyApiKey = (
  ports: RevokePorts,
  { api_key_id: apiKeyId, reason }: { readonly api_key_id: string; readonly reason: string },
  caller: Caller,
): Promise<{ readonly api_key: ApiKeyView }> =>
  ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason);
    await revokeKey(tx, apiKeyId, reason);
    tx.afterCommit(ports.apiKeysChanged);
    const row = await readApiKey(tx, apiKeyId);
    if (row === undefined) throw apiKeyUnknown();
    return { api_key: apiKeyViewOf(row) };
  });

/** Revokes a user's keys that were created or rotated since a time. The caller has locked the user. */
export const endKeysSince = (tx: Tx, userId: string, since: string, reason: string): Promise<unknown> =>
  revokeKeysSince(tx, userId, since, reason);
