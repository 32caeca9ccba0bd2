import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports, Tx } from '#services/core/ports.ts';
import { socialAccountTaken, socialSignInRefused } from '../contracts/social-errors.ts';
import type { Profile } from './profile.ts';
import { accountValuesOf } from './provider-tokens.ts';
import { findOwner, insertAccount, refreshAccount } from './social.store.ts';

export type LinkPorts = Pick<Ports, 'random'> & HasKeyRing;

/**
 * Links the provider's account to a user, with its tokens sealed; if it is already linked, replaces the tokens. The
 * caller has locked the user and verified that the two belong together.
 * @returns whether it was newly linked
 * @throws socialAccountTaken (409) if it is linked to another user
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
 * Replaces the tokens of a linked account and never links one: it may have been unlinked while the caller waited for
 * the user's lock.
 * @throws socialSignInRefused (400) if it is no longer linked to this user
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
