import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Ports, Tx } from '#services/domain/ports.ts';
import type { Profile } from './profile.ts';
import { accountValuesOf } from './provider-tokens.ts';
import { findOwner, insertAccount, refreshAccount } from './social.store.ts';
import { socialAccountTaken, socialSignInRefused } from './social-errors.ts';

export type LinkPorts = Pick<Ports, 'random'> & HasKeyRing;

/**
 * Adds the provider's account to a user's ways in, its tokens sealed; linked already, its tokens are replaced.
 * The caller has locked the user and knows that the two belong together.
 * @returns whether it is a new way in
 * @throws socialAccountTaken (409) where another user has it
 */
export async function linkOAuthAccount(tx: Tx, ports: LinkPorts, userId: string, profile: Profile): Promise<boolean> {
  const values = accountValuesOf(ports, profile);
  if (await insertAccount(tx, ports.random.uuid(), userId, values)) return true;
  const owner = await findOwner(tx, profile.providerId, profile.accountId);
  if (owner?.userId !== userId) throw socialAccountTaken();
  await refreshAccount(tx, owner.id, values);
  return false;
}

/**
 * Replaces the tokens of an account that is linked already, and links none: it may have been taken away while the
 * caller waited for the user's lock.
 * @throws socialSignInRefused (400) where it is not this user's any more
 */
export async function refreshOAuthAccount(
  tx: Tx,
  ports: Pick<LinkPorts, 'keyRing'>,
  userId: string,
  profile: Profile,
): Promise<void> {
  const owner = await findOwner(tx, profile.providerId, profile.accountId);
  if (owner?.userId !== userId) throw socialSignInRefused();
  await refreshAccount(tx, owner.id, accountValuesOf(ports, profile));
}
