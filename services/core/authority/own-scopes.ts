import type { Caller } from '../ports.ts';
import { hasSignIn, type UserCaller, userOf } from './callers.ts';
import { ownerAsking } from './own-account.ts';

/**
 * Scopes by which a user lets an application read one part of the user's account, at the MCP server only. They are not
 * permissions and never become any: no permission has a name of this form.
 */
export const OWN_SCOPES = ['own.sessions', 'own.events', 'own.signoffs', 'own.applications', 'own.api_keys'] as const;
export type OwnScope = (typeof OWN_SCOPES)[number];

export const isOwnScope = (scope: string): boolean => (OWN_SCOPES as readonly string[]).includes(scope);

/**
 * The user who granted this scope to the application that calls the MCP server; null for every other caller. A delegated
 * token does not count, because the user consented to another application, and neither does a token that another party
 * issued for a user who did not sign in.
 */
export function readerOfOwn(caller: Caller, scope: OwnScope): UserCaller | null {
  const user = userOf(caller);
  if (user === null || user.by !== 'mcp' || user.actingId !== undefined || !hasSignIn(user)) return null;
  return user.scope?.split(' ').includes(scope) ? user : null;
}

/**
 * The user whose account is read: in person, or through an application at the MCP server to which the user granted the
 * scope. Throws as `ownerAsking` for every other caller.
 */
export const accountRead = (caller: Caller, scope: OwnScope): UserCaller =>
  readerOfOwn(caller, scope) ?? ownerAsking(caller);
