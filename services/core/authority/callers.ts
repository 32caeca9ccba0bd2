import type { Caller } from '../ports.ts';
import { rightsExceeded } from './errors.ts';

export type UserCaller = Caller & { readonly kind: 'user' };
export type ClientCaller = Caller & { readonly kind: 'client' };
export type AgentCaller = Caller & { readonly kind: 'agent' };

/** The first-party client (our own pages and apps): public, allowed only the refresh grant. A migration inserts its row. */
export const FIRST_PARTY_CLIENT_ID = 'sallyport';
/**
 * The client of the admin console. A migration inserts its row, without a secret: only the API itself, which signs users of
 * the console in, acts as it.
 */
export const CONSOLE_CLIENT_ID = 'sallyport-console';
/** These clients belong to the product: no administrator changes them, and users gave them no consent. */
export const isBuiltInClient = (clientId: string): boolean =>
  clientId === FIRST_PARTY_CLIENT_ID || clientId === CONSOLE_CLIENT_ID;

/**
 * The user whose rights the caller uses: in person, or by a token that the user or another party delegated. Null for a
 * client or agent that acts by its own rights, for the process itself and for anonymous callers.
 */
export function userOf(caller: Caller): UserCaller | null {
  switch (caller.kind) {
    case 'user':
      return caller;
    case 'client':
    case 'agent':
    case 'system':
    case 'anonymous':
      return null;
  }
}

/** The user in person: null also for a user's token that an agent holds. */
export function personOf(caller: Caller): UserCaller | null {
  const user = userOf(caller);
  return user?.agentId === undefined ? user : null;
}

/** The client or agent that acts by its own rights; null where it acts for a user. */
export function clientOf(caller: Caller): ClientCaller | AgentCaller | null {
  switch (caller.kind) {
    case 'client':
    case 'agent':
      return caller;
    case 'user':
    case 'system':
    case 'anonymous':
      return null;
  }
}

/** The id of the agent that acts: by its own rights, or by a token of a user; null where none does. */
export function actingAgentOf(caller: Caller): string | null {
  switch (caller.kind) {
    case 'agent':
      return caller.clientId;
    case 'user':
      return caller.agentId ?? null;
    case 'client':
    case 'system':
    case 'anonymous':
      return null;
  }
}

/** The owner of the agent that acts, by its own rights or by a token of the owner; null where no agent does. */
export function ownerOfAgent(caller: Caller): string | null {
  switch (caller.kind) {
    case 'agent':
      return caller.ownerId;
    case 'user':
      return caller.agentId === undefined ? null : caller.userId;
    case 'client':
    case 'system':
    case 'anonymous':
      return null;
  }
}

/** The id of a client or agent that sent its own credentials: a secret, an assertion or a certificate; else null. */
export function authenticatedClientOf(caller: Caller): string | null {
  const client = clientOf(caller);
  switch (client?.by) {
    case 'secret':
    case 'assertion':
    case 'certificate':
      return client.clientId;
    case 'bearer':
    case 'mcp':
    case 'api_key':
    case undefined:
      return null;
  }
}

/** Whether a client administrator stands behind the client: anyone can register any number of the others. */
export function isVettedClient(caller: Caller): caller is ClientCaller | AgentCaller {
  switch (caller.kind) {
    case 'client':
      return caller.isVetted;
    case 'agent':
      return true;
    case 'user':
    case 'system':
    case 'anonymous':
      return false;
  }
}

/** The process itself: a command or a job, which acts for the operator of the installation. */
export const isInstallation = (caller: Caller): boolean => caller.kind === 'system';

export const isAnonymous = (caller: Caller): boolean => caller.kind === 'anonymous';

/** Whether the caller was authenticated by an API key, which is no sign-in and may have leaked. */
export const isByApiKey = (caller: Caller): boolean => 'by' in caller && caller.by === 'api_key';

/** The user's session cookie, by which the caller was authenticated; null for every other credential. */
export function sessionOf(caller: Caller): string | null {
  const user = userOf(caller);
  return user?.by === 'session' ? user.sessionId : null;
}

/**
 * Whether the user signed in for the credential or made it: false for a token of a pair that another party issued for
 * the user (`auth_time` 0).
 */
export const hasSignIn = (user: UserCaller): boolean => isByApiKey(user) || user.authTime > 0;

const NONE: ReadonlySet<string> = new Set();

/** The permissions of the caller's credential. The process itself has none by name; `holds` answers for it. */
export function permissionsOf(caller: Caller): ReadonlySet<string> {
  switch (caller.kind) {
    case 'user':
    case 'client':
    case 'agent':
      return caller.permissions;
    case 'system':
    case 'anonymous':
      return NONE;
  }
}

/** Whether the caller may use a permission. The process itself acts for the operator, who may use all. */
export const holds = (caller: Caller, permission: string): boolean =>
  caller.kind === 'system' || permissionsOf(caller).has(permission);

/**
 * A caller may only grant, remove or take over permissions that the caller has: a `:manage` permission must not lead
 * to all others. Throws `rights_exceeded` (403).
 */
export function assertHolds(caller: Caller, permissions: Iterable<string>): void {
  const lacking = [...new Set(permissions)].filter((permission) => !holds(caller, permission)).sort();
  if (lacking.length > 0) throw rightsExceeded({ detail: `You do not have ${lacking.slice(0, 20).join(', ')}.` });
}
