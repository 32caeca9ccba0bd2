import { FIRST_PARTY_CLIENT_ID } from '#services/domain/access/access-directory.ts';
import type { Caller } from '#services/domain/ports.ts';
import { permissionMissing, unauthenticated } from '#services/platform/errors.ts';

export { findAccount, lockUser, readSessionRow } from './accounts.store.ts';

export type OwnAccount = Caller & { readonly kind: 'user' };

/**
 * A person on their own account, by session or by a token of our own pages: what another client was given a token for,
 * or an API key was made for, is never its owner's password or address. Throws `unauthenticated` (401), `permission_missing` (403).
 */
export function ownAccount(caller: Caller): OwnAccount {
  if (caller.kind !== 'user') throw unauthenticated();
  if (caller.clientId !== FIRST_PARTY_CLIENT_ID || caller.by === 'api_key')
    throw permissionMissing({ detail: 'Accounts are changed by their owner, not by another client or an API key.' });
  return caller;
}
