import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { familyEnded } from '../audit-events.ts';
import {
  clientEpochRaise,
  familiesAtClientLock,
  familiesEnd,
  familiesEndBySession,
  familyEnd,
  familyLock,
  userEpochRaise,
} from './family-life.store.ts';

/**
 * Ends logins with their access tokens: families, revocation and audit row in the caller's transaction. Call
 * `announceRevocations` after its commit. Where several families end they are locked in id order, as rotation does.
 */

export type EndedFamily = { readonly userId: string; readonly clientId: string; readonly sessionId: string | null };

/** Ends one login. Null when there is no such family; ending an ended one again is no error. */
export async function endFamily(tx: Tx, familyId: string, reason: string, caller: Caller): Promise<EndedFamily | null> {
  const [family] = await tx.query<EndedFamily>(familyLock, [familyId]);
  if (family === undefined) return null;
  await tx.query(familyEnd, [familyId, reason]);
  await recordEvent(tx, caller, familyEnded, {
    outcome: 'ok',
    target: { kind: 'family', id: familyId },
    clientId: family.clientId,
    detail: { user_id: family.userId, session_id: family.sessionId, reason },
  });
  return family;
}

/** Ends every login of a session and refuses its access tokens; the session row itself belongs to identity. */
export async function endFamiliesOfSession(
  tx: Tx,
  session: { readonly id: string; readonly userId: string | null },
  reason: string,
  caller: Caller,
): Promise<number> {
  const values = [session.id, reason, session.userId];
  const ended = (await tx.query<{ count: number }>(familiesEndBySession, values))[0]!.count;
  await recordEvent(tx, caller, familyEnded, {
    outcome: 'ok',
    target: { kind: 'session', id: session.id },
    detail: { user_id: session.userId, reason, families: ended },
  });
  return ended;
}

/** Ends every login that a client has of a user, with the access tokens of these and of those they replaced. How many. */
export async function endFamiliesOfUserAtClient(
  tx: Tx,
  { userId, clientId }: { readonly userId: string; readonly clientId: string },
  reason: string,
  caller: Caller,
): Promise<number> {
  await setAuditContext(tx, caller, reason);
  const families = await tx.query<{ id: string }>(familiesAtClientLock, [userId, clientId]);
  if (families.length === 0) return 0;
  const values = [families.map(({ id }) => id), reason];
  const ended = (await tx.query<{ count: number }>(familiesEnd, values))[0]!.count;
  await recordEvent(tx, caller, familyEnded, {
    outcome: 'ok',
    target: { kind: 'client', id: clientId },
    clientId,
    detail: { user_id: userId, reason, families: ended },
  });
  return ended;
}

/** Ends every login of a user and refuses every token born before. The user's new token epoch; null: no such user. */
export async function endFamiliesOfUser(
  tx: Tx,
  userId: string,
  reason: string,
  caller: Caller,
): Promise<number | null> {
  await setAuditContext(tx, caller, reason);
  const [row] = await tx.query<{ epoch: number }>(userEpochRaise, [userId]);
  return row?.epoch ?? null;
}

/** The same for a client: logins through it and its own tokens. */
export async function endFamiliesOfClient(
  tx: Tx,
  clientId: string,
  reason: string,
  caller: Caller,
): Promise<number | null> {
  await setAuditContext(tx, caller, reason);
  const [row] = await tx.query<{ epoch: number }>(clientEpochRaise, [clientId]);
  return row?.epoch ?? null;
}
