import type { Tx } from '#services/domain/ports.ts';
import { removeFactorsSince } from '../factors/factors.store.ts';
import { deleteAccountsSince } from '../social/social.store.ts';

/** Unlinks the providers linked to an account since; returns whether there were any. The caller has locked the user. */
export const unlinkSince = (tx: Tx, userId: string, since: string): Promise<boolean> =>
  deleteAccountsSince(tx, userId, since);

/** Removes the factors that an account got since, with the recovery codes; every session ends if there was a factor. */
export const takeFactorsSince = (tx: Tx, userId: string, since: string): Promise<void> =>
  removeFactorsSince(tx, userId, since);
