import type { Tx } from '#services/domain/ports.ts';
import { removeFactorsSince } from '../factors/factors.store.ts';
import { deleteAccountsSince } from '../social/social.store.ts';

/** Unlinks what was linked to an account since; whether there was any. The user is held by the caller. */
export const unlinkSince = (tx: Tx, userId: string, since: string): Promise<boolean> =>
  deleteAccountsSince(tx, userId, since);

/** Takes the factors that an account got since, recovery codes with them; every login ends where there was a factor. */
export const takeFactorsSince = (tx: Tx, userId: string, since: string): Promise<void> =>
  removeFactorsSince(tx, userId, since);
