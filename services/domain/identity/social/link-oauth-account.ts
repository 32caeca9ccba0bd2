import type { HasKeyRing } from '../../keys/key-ring.ts';
import type { Ports, Tx } from '../../ports.ts';
import { socialAccountTaken } from '../social-errors.ts';
import { accountValuesOf } from './provider-tokens.ts';
import type { Profile } from './providers.ts';
import { findOwner, insertAccount, refreshAccount } from './social.store.ts';

export type LinkPorts = Pick<Ports, 'random'> & HasKeyRing;

/**
 * Adds the provider's account to a user's ways in, its tokens sealed; linked already, its tokens are replaced
 * (A-OAU-02). The caller has locked the user and knows that the two belong together.
 * @throws socialAccountTaken (409) where another user has it
 */
export async function linkOAuthAccount(tx: Tx, ports: LinkPorts, userId: string, profile: Profile): Promise<void> {
  const values = accountValuesOf(ports, profile);
  if (await insertAccount(tx, ports.random.uuid(), userId, values)) return;
  const owner = await findOwner(tx, profile.providerId, profile.accountId);
  if (owner?.userId !== userId) throw socialAccountTaken();
  await refreshAccount(tx, owner.id, values);
}
