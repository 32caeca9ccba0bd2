import type { HasAccess } from '../access/access-directory.ts';
import type { Caller } from '../ports.ts';
import type { RequesterKind, SignOffRow } from './signoffs.store.ts';

export type Requester = {
  readonly kind: RequesterKind;
  readonly id: string;
  readonly clientId: string | null;
  /** Users for whom the caller acts: none of them may approve. */
  readonly barredUsers: readonly string[];
};

/** The requester that a caller is; null for an anonymous caller. */
export function requesterOf({ access }: HasAccess, caller: Caller): Requester | null {
  if (caller.kind === 'anonymous') return null;
  if (caller.kind === 'system') return { kind: 'system', id: caller.name, clientId: null, barredUsers: [] };
  const owner = access.client(caller.clientId)?.agent?.ownerId;
  const owners = owner === undefined ? [] : [owner];
  if (caller.kind === 'client')
    return { kind: 'client', id: caller.clientId, clientId: caller.clientId, barredUsers: owners };
  const barredUsers = [...new Set([caller.userId, ...owners])];
  return { kind: 'user', id: caller.userId, clientId: caller.clientId, barredUsers };
}

/** Whether the caller requested the sign-off, through the same client. */
export function isRequester(ports: HasAccess, row: SignOffRow, caller: Caller): boolean {
  const asking = requesterOf(ports, caller);
  return (
    asking !== null &&
    asking.kind === row.requestedByKind &&
    asking.id === row.requestedBy &&
    asking.clientId === row.clientId
  );
}
