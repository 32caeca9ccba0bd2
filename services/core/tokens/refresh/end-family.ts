import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
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
 * The functions of this file end token families with their access tokens. They write families, revocations and audit
 * rows in the caller's transaction; call `announceRevocations` after its commit. They lock several families in id order,
 * as the rotation does.
 */

type EndedFamily = { readonly user_id: string; readonly client_id: string; readonly session_id: string | null };

/** Ends one family. Returns null when it does not exist. Ending an ended family again is no error. */
export async function endFamily(tx: Tx, familyId: string, reason: string, caller: Caller): Promise<EndedFamily | null> {
  const [family] = await tx.query<EndedFamily>(familyLock, [familyId]);
  if (family === undefined) return null;
  await tx.query(familyEnd, [familyId, reason]);
  await recordEvent(tx, caller, familyEnded, {
    outcome: 'ok',
    target: { kind: 'family', id: familyId },
    clientId: family.client_id,
    detail: { user_id: family.user_id, session_id: family.session_id, reason },
  });
  return family;
}

/** Ends all families of a session and revokes its access tokens. The identity module ends the session row itself. */
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

/**
 * Ends all families of a user at a client, with their access tokens and those of the families they replaced. Returns the
 * number of families.
 */
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

/** Ends all families of a user and revokes all earlier tokens. Returns the user's new token epoch; null for an unknown user. */
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

/** The same for a client: all families at the client, and its client-credentials tokens. */
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
