import { actingAgentOf, userOf } from '#services/core/authority/callers.ts';
import { actorOf } from '#services/core/authority/names.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { agentNotAccepted } from '#services/platform/errors.ts';
import { signOffOwnerRequired, signOffRequesterEnded, signOffSignInRequired, signOffUnknown } from './errors.ts';
import {
  isSignedInFamily,
  lockLiveRequester,
  lockPeople,
  readPeopleBehindClient,
  type SignOffRow,
} from './signoffs.store.ts';

/** Who asks: the columns of a sign-off. */
export type Requester = Pick<SignOffRow, 'requested_by_kind' | 'requested_by' | 'client_id'>;

/** The requester that a caller is; null for an anonymous caller. */
export function requesterOf(caller: Caller): Requester | null {
  const actor = actorOf(caller);
  return actor && { requested_by_kind: actor.kind, requested_by: actor.id, client_id: actor.clientId };
}

/** Whether the caller requested the sign-off, through the same client. */
export function isRequester(row: SignOffRow, caller: Caller): boolean {
  const asking = requesterOf(caller);
  return (
    asking !== null &&
    asking.requested_by_kind === row.requested_by_kind &&
    asking.requested_by === row.requested_by &&
    asking.client_id === row.client_id
  );
}

/** The sign-off if the caller requested it, else the 404 of a missing one. */
export function ownRow(row: SignOffRow | undefined, caller: Caller): SignOffRow {
  if (row === undefined || !isRequester(row, caller)) throw signOffUnknown();
  return row;
}

/**
 * An agent asks with its own credentials or token. Through another client its kill would not end what it asked for, and
 * users who have set its credentials could approve it. Throws `agent_not_accepted` (403).
 */
export function assertNoAgentBehind({ client_id: clientId }: Requester, caller: Caller): void {
  const agentId = actingAgentOf(caller);
  if (agentId !== null && agentId !== clientId)
    throw agentNotAccepted({ detail: 'An agent requests a sign-off itself, not through another client.' });
}

/**
 * Until commit the agent behind the requester is not killed. Call it before anything that locks the sign-off: a kill
 * locks the agent first. Throws `signoff_requester_ended` (403).
 */
export async function assertLives(tx: Sql, requester: Requester): Promise<void> {
  if (!(await lockLiveRequester(tx, requester))) throw signOffRequesterEnded({ isRecorded: true });
}

/**
 * Until commit the people who have decided stay as they are, and the agent behind the requester is not killed; false if the
 * requester has ended. Then lock the sign-off: whatever disables a user or kills an agent locks in this order.
 */
export async function lockBehind(tx: Sql, row: Requester & Pick<SignOffRow, 'decisions'>): Promise<boolean> {
  await lockPeople(
    tx,
    row.decisions.map((decision) => decision.user_id),
  );
  return lockLiveRequester(tx, row);
}

/**
 * A caller with `tokens:issue` gets tokens of a user who did not sign in, and could ask, approve and run with them alone.
 * Throws `signoff_sign_in_required` (403).
 */
export async function assertSignedIn(sql: Sql, caller: Caller): Promise<void> {
  const familyId = userOf(caller)?.familyId ?? null;
  if (familyId !== null && !(await isSignedInFamily(sql, familyId))) throw signOffSignInRequired();
}

/**
 * Users who do not decide what the requester asks for: the user, the owner of the agent that asks, and the users who have
 * set credentials of the client that asks. Throws `signoff_owner_required` (403) for a client that is no agent.
 */
export async function barredUsersOf(
  tx: Sql,
  { requested_by_kind: requestedByKind, requested_by: requestedBy, client_id: clientId }: Requester,
): Promise<readonly string[]> {
  const own = requestedByKind === 'user' ? [requestedBy] : [];
  if (clientId === null) return own;
  const { people, is_agent: isAgent } = await readPeopleBehindClient(tx, clientId);
  if (requestedByKind === 'client' && !isAgent) throw signOffOwnerRequired();
  return [...new Set([...own, ...people])];
}
