import type { ErrorFactory } from '#services/platform/define/error.ts';
import { apiKeyNotAccepted, permissionMissing } from '#services/platform/errors.ts';
import type { Caller } from '../ports.ts';

/** First-party pages and apps act for their user in full; another client's token only within its scope. */
const OWN_CLIENT_ID = 'sallyport';

/**
 * The user who manages their account. Throws `api_key_not_accepted` (403) for API keys, and `permission_missing` (403) for
 * clients and for tokens that a user gave to another client: these do not manage the account.
 */
export function ownerAsking(caller: Caller): Caller & { readonly kind: 'user' } {
  if ('by' in caller && caller.by === 'api_key') throw apiKeyNotAccepted();
  if (caller.kind === 'user' && caller.clientId === OWN_CLIENT_ID) return caller;
  throw permissionMissing({ detail: 'This requires the user’s session, or a token issued from it.' });
}

/**
 * The resource if the caller owns it, else the 404 of a missing one: a caller cannot learn that another user's resource
 * exists (ASVS 8.2.2).
 * @param unknown the 404 of this kind of resource
 */
export function ownOrUnknown<T extends { readonly userId: string }>(
  found: T | null | undefined,
  caller: Caller,
  unknown: ErrorFactory,
): T {
  if (found && caller.kind === 'user' && found.userId === caller.userId) return found;
  throw unknown();
}
