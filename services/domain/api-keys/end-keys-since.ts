import type { Tx } from '../ports.ts';
import { revokeKeysSince } from './api-keys.store.ts';

/** Ends the keys of a user that were made or rotated since. The user is held by the caller. */
export const endKeysSince = (tx: Tx, userId: string, since: string, reason: string): Promise<unknown> =>
  revokeKeysSince(tx, userId, since, reason);
