import { unauthenticated } from '#services/platform/errors.ts';
import type { HasAccess } from '../access/access-directory.ts';
import type { Caller, Tx } from '../ports.ts';
import { isLoginLive, type KeyOwner, lockOwner } from './api-keys.store.ts';
import { apiKeyOver } from './errors.ts';

/**
 * The epoch that a new key of the caller's is made under. What the caller was recognised by must still be good: whoever
 * ends it takes the owner's lock, and a key made under the epoch after that would outlive it.
 */
export type LockOwner = (tx: Tx, owner: KeyOwner) => Promise<number>;

/** For what runs the installation. Throws `api_key_over` (409) for an owner that is disabled or gone. */
export async function lockKeyOwner(tx: Tx, owner: KeyOwner): Promise<number> {
  const epoch = await lockOwner(tx, owner);
  if (epoch === undefined) throw apiKeyOver();
  return epoch;
}

/** To be asked for as the request begins. The holder throws `unauthenticated` (401) where its login has ended since. */
export function ownerLocker({ access }: HasAccess, caller: Caller): LockOwner {
  // A client's secret or token was judged by the epoch that this copy knew then.
  const known = caller.kind === 'client' ? access.client(caller.clientId)?.tokenEpoch : undefined;
  return async (tx, owner) => {
    const epoch = await lockOwner(tx, owner);
    const isGood = caller.kind === 'user' ? await isLoginLive(tx, caller) : known === epoch;
    if (epoch === undefined || !isGood) throw unauthenticated();
    return epoch;
  };
}
