import { unauthenticated } from '#services/platform/errors.ts';
import type { HasAccess } from '../access/access-directory.ts';
import { clientOf, userOf } from '../authority/callers.ts';
import type { Caller, Tx } from '../ports.ts';
import { assertOwnFactor } from '../shared/assert-own-factor.ts';
import { isSignInLive, type KeyOwner, lockOwnerRow } from './api-keys.store.ts';
import { apiKeyOver } from './errors.ts';

/**
 * Locks the owner and returns the epoch that a new key is created under. The caller's credential must still be valid
 * then: every transaction that ends it takes the same lock, and a key created under the epoch after that would outlive
 * the credential.
 */
export type LockOwner = (tx: Tx, owner: KeyOwner) => Promise<number>;

/** For the system. Throws `api_key_over` (409) for a disabled or deleted owner. */
export async function lockKeyOwner(tx: Tx, owner: KeyOwner): Promise<number> {
  const epoch = await lockOwnerRow(tx, owner);
  if (epoch === undefined) throw apiKeyOver();
  return epoch;
}

/**
 * For the caller. Call it as the request begins; the lock then throws `unauthenticated` (401) when the caller's session,
 * token family or client epoch has ended since, and `step_up_required` (403) if the account has a second factor that its
 * sign-in lacks.
 */
export function ownerLocker({ access }: HasAccess, caller: Caller): LockOwner {
  // The client's secret or token was verified under the epoch that this copy knows now.
  const client = clientOf(caller);
  const known = client === null ? undefined : access.client(client.clientId)?.tokenEpoch;
  const user = userOf(caller);
  return async (tx, owner) => {
    const epoch = await lockOwnerRow(tx, owner);
    const isLive = user !== null ? await isSignInLive(tx, user) : known === epoch;
    if (epoch === undefined || !isLive) throw unauthenticated();
    await assertOwnFactor(tx, caller);
    return epoch;
  };
}
