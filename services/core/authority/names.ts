import type { Caller } from '../ports.ts';

/** The kinds of actors in stored rows, on the wire and in reports. An agent is a client there, as in OAuth. */
type ActorKind = 'user' | 'client' | 'system' | 'anonymous';

export function actorKindOf(caller: Caller): ActorKind {
  switch (caller.kind) {
    case 'agent':
      return 'client';
    case 'user':
    case 'client':
    case 'system':
    case 'anonymous':
      return caller.kind;
  }
}

/** The id of a user, client or agent, or the name of a process; null for an anonymous caller. */
export function actorIdOf(caller: Caller): string | null {
  switch (caller.kind) {
    case 'user':
      return caller.userId;
    case 'client':
    case 'agent':
      return caller.clientId;
    case 'system':
      return caller.name;
    case 'anonymous':
      return null;
  }
}

/** The client that the caller's credential was issued to; null for the process itself and anonymous callers. */
export function clientIdOf(caller: Caller): string | null {
  switch (caller.kind) {
    case 'user':
    case 'client':
    case 'agent':
      return caller.clientId;
    case 'system':
    case 'anonymous':
      return null;
  }
}

/** A user or client as the owner of a row. */
type Principal = { readonly kind: 'user' | 'client'; readonly id: string; readonly clientId: string };
export type Actor = Principal | { readonly kind: 'system'; readonly id: string; readonly clientId: null };

/** The actor of a row. A delegated token counts as its user by that client. Null for an anonymous caller. */
export function actorOf(caller: Caller): Actor | null {
  switch (caller.kind) {
    case 'user':
      return { kind: 'user', id: caller.userId, clientId: caller.clientId };
    case 'client':
    case 'agent':
      return { kind: 'client', id: caller.clientId, clientId: caller.clientId };
    case 'system':
      return { kind: 'system', id: caller.name, clientId: null };
    case 'anonymous':
      return null;
  }
}

/** The owner of what the caller creates; null for the process itself and anonymous callers. */
export function principalOf(caller: Caller): Principal | null {
  const actor = actorOf(caller);
  return actor?.kind === 'system' ? null : actor;
}

/** The caller as reports and attestations name it, such as `user:0190…`: kind and id, no name and no address. */
export function actorNameOf(caller: Caller): string {
  const id = actorIdOf(caller);
  return id === null ? actorKindOf(caller) : `${actorKindOf(caller)}:${id}`;
}

/** A name for limits and throttles, different for each user and client; '' for all others. */
export function limitNameOf(caller: Caller): string {
  const principal = principalOf(caller);
  return principal === null ? '' : `${principal.kind} ${principal.id}`;
}

/**
 * Names the caller together with its credential: the same user with another client, session or kind of credential has
 * another name. Null for an anonymous caller.
 */
export function credentialNameOf(caller: Caller): string | null {
  switch (caller.kind) {
    case 'user':
      return `user\0${caller.userId}\0${caller.sessionId ?? ''}\0${caller.clientId}\0${caller.by}`;
    case 'client':
    case 'agent':
      return `client\0${caller.clientId}\0${clientCredentialName(caller.by)}`;
    case 'system':
      return 'system';
    case 'anonymous':
      return null;
  }
}

/** A client's own credentials count as one, so that a client that changes its method keeps its idempotency keys. */
function clientCredentialName(by: (Caller & { readonly kind: 'client' | 'agent' })['by']): string {
  switch (by) {
    case 'secret':
    case 'assertion':
    case 'certificate':
      return 'client';
    case 'bearer':
    case 'mcp':
    case 'api_key':
      return by;
  }
}
