import type { Tx } from '../ports.ts';
import { revokeKeysSince } from './api-keys.store.ts';

/** Revokes a user's keys that were created or rotated since a time. The caller has locked the user. */
export const endKeysSince = (tx: Tx, userId: string, since: string, reason: string): Promise<unknown> =>
  revokeKeysSince(tx, userId, since, reason);
