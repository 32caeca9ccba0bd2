import { FIRST_PARTY_CLIENT_ID } from '#services/domain/access/access-directory.ts';
import type { Caller } from '#services/domain/ports.ts';
import { permissionMissing, unauthenticated } from '#services/platform/errors.ts';

export { findAccount, lockUser, readSessionRow } from './accounts.store.ts';

export type OwnAccount = Caller & { readonly kind: 'user' };

/**
 * Returns the user who acts on their own account, by a session or a token of the first-party client. A token issued to
 * another client, or an API key, may not change its owner's password or address. Throws `unauthenticated` (401),
 * `permission_missing` (403).
 */
export function ownAccount(caller: Caller): OwnAccount {
  if (caller.kind !== 'user') throw unauthenticated();
  if (caller.clientId !== FIRST_PARTY_CLIENT_ID || caller.by === 'api_key')
    throw permissionMissing({ detail: 'Only the owner may change an account, not another client or an API key.' });
  return caller;
}
