import type { ErrorFactory } from '#services/platform/define/error.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import type { Caller } from '../ports.ts';

/** Our own pages and apps act for their user in full; another client's token only as far as its scope says. */
const OWN_CLIENT_ID = 'sallyport';

/**
 * The user who asks for what is their own. Throws `permission_missing` (403) for clients, for tokens that a user gave to
 * another client and for API keys: those do not manage the account.
 */
export function ownerAsking(caller: Caller): Caller & { readonly kind: 'user' } {
  if (caller.kind === 'user' && caller.clientId === OWN_CLIENT_ID && caller.by !== 'api_key') return caller;
  throw permissionMissing({ detail: 'This takes the user’s own session, or a token of it.' });
}

/**
 * The thing where it is the caller's own, else the answer of things that are not there: nobody learns that somebody
 * else's exists (ASVS 8.2.2).
 * @param unknown the 404 of this kind of thing
 */
export function ownOrUnknown<T extends { readonly userId: string }>(
  found: T | null | undefined,
  caller: Caller,
  unknown: ErrorFactory,
): T {
  if (found && caller.kind === 'user' && found.userId === caller.userId) return found;
  throw unknown();
}
