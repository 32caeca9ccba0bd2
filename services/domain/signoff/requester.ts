import type { Caller, Sql } from '../ports.ts';
import { signOffOwnerRequired } from './errors.ts';
import { type RequesterKind, readPeopleBehindAgent, type SignOffRow } from './signoffs.store.ts';

export type Requester = {
  readonly kind: RequesterKind;
  readonly id: string;
  readonly clientId: string | null;
};

/** The requester that a caller is; null for an anonymous caller. */
export function requesterOf(caller: Caller): Requester | null {
  switch (caller.kind) {
    case 'anonymous':
      return null;
    case 'system':
      return { kind: 'system', id: caller.name, clientId: null };
    case 'client':
      return { kind: 'client', id: caller.clientId, clientId: caller.clientId };
    case 'user':
      return { kind: 'user', id: caller.userId, clientId: caller.clientId };
  }
}

/** Whether the caller requested the sign-off, through the same client. */
export function isRequester(row: SignOffRow, caller: Caller): boolean {
  const asking = requesterOf(caller);
  return (
    asking !== null &&
    asking.kind === row.requestedByKind &&
    asking.id === row.requestedBy &&
    asking.clientId === row.clientId
  );
}

/**
 * Users who do not decide what the requester asks for: the user, and the people behind the agent that asks, who are its
 * owner and the users who have set its credentials. Throws `signoff_owner_required` (403) for a client that is no agent.
 */
export async function barredUsersOf(tx: Sql, { kind, id, clientId }: Requester): Promise<readonly string[]> {
  const behindAgent = clientId === null ? undefined : await readPeopleBehindAgent(tx, clientId);
  if (kind === 'client' && behindAgent === undefined) throw signOffOwnerRequired();
  return [...new Set([...(kind === 'user' ? [id] : []), ...(behindAgent ?? [])])];
}
