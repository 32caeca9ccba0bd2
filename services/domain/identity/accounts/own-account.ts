import { FIRST_PARTY_CLIENT_ID } from '#services/domain/access/access-directory.ts';
import type { Caller } from '#services/domain/ports.ts';
import { apiKeyNotAccepted, permissionMissing, unauthenticated } from '#services/platform/errors.ts';

export { findAccount, lockUser, readSessionRow } from './accounts.store.ts';

export type OwnAccount = Caller & { readonly kind: 'user' };

/**
 * Returns the user who acts on their own account, by a session or a token of the first-party client. A token issued to
 * another client, or an API key, may neither see nor change the account. Throws `unauthenticated` (401),
 * `permission_missing`, `api_key_not_accepted` (403).
 */
export function ownAccount(caller: Caller): OwnAccount {
  if (caller.kind !== 'user') throw unauthenticated();
  if (caller.by === 'api_key') throw apiKeyNotAccepted();
  if (caller.clientId !== FIRST_PARTY_CLIENT_ID)
    throw permissionMissing({ detail: 'This requires the user’s session, or a token issued from it.' });
  return caller;
}
