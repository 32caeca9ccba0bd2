import type { Tx } from '../ports.ts';
import { revokeKeysSince } from './api-keys.store.ts';

/** Ends the keys of a user that were made or rotated since; whether there were any. The user is held by the caller. */
export const endKeysSince = (tx: Tx, userId: string, since: string, reason: string): Promise<boolean> =>
  revokeKeysSince(tx, userId, since, reason);
