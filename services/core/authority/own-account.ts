import type { ErrorFactory } from '#services/platform/define/error.ts';
import { agentNotAccepted, apiKeyNotAccepted, permissionMissing, unauthenticated } from '#services/platform/errors.ts';
import type { Caller } from '../ports.ts';
import { actingAgentOf, FIRST_PARTY_CLIENT_ID, isByApiKey, type UserCaller, userOf } from './callers.ts';

const notInPerson = (): Error =>
  permissionMissing({ detail: 'This requires the user’s session, or a token issued from it.' });

/** First-party pages and apps act for their user in full; another client's token only within its scope. */
export const isInFull = (user: UserCaller): boolean => user.clientId === FIRST_PARTY_CLIENT_ID;

/** A leaked key must not get a credential that outlives it. Throws `api_key_not_accepted` (403) for callers by API key. */
export function assertNoApiKey(caller: Caller): void {
  if (isByApiKey(caller)) throw apiKeyNotAccepted();
}

/** Throws `agent_not_accepted` (403) for an agent, also for one that holds a user's token. */
export function assertNoAgent(caller: Caller): void {
  if (actingAgentOf(caller) !== null) throw agentNotAccepted();
}

/**
 * The user who manages their account. Throws `api_key_not_accepted` (403) for API keys, and `permission_missing` (403) for
 * clients, agents and tokens that a user gave to another client: these do not manage the account.
 */
export function ownerAsking(caller: Caller): UserCaller {
  assertNoApiKey(caller);
  const user = userOf(caller);
  if (user !== null && isInFull(user)) return user;
  throw notInPerson();
}

/**
 * The user who acts on their own account, by a session or a token of the first-party client. Throws `unauthenticated`
 * (401) for callers that are no user, and `permission_missing`, `api_key_not_accepted` (403) as `ownerAsking`.
 */
export function ownAccount(caller: Caller): UserCaller {
  const user = userOf(caller);
  if (user === null) throw unauthenticated();
  assertNoApiKey(caller);
  if (!isInFull(user)) throw notInPerson();
  return user;
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
  if (found && found.userId === userOf(caller)?.userId) return found;
  throw unknown();
}
