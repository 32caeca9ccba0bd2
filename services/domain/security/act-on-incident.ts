import { setAuditContext } from '../audit/audit-context.ts';
import { recordEvent } from '../audit/record-event.ts';
import { offerUnlock, takeVoidedUnlock } from '../identity/accounts/offer-unlock.ts';
import type { MailPorts } from '../identity/mail/queue-mail.ts';
import { disablePasswordSignIn } from '../identity/sign-in/forgive-sign-in.ts';
import { forgetDevices } from '../identity/sign-in/sign-in-origin.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Caller, Tx } from '../ports.ts';
import { incidentActed } from './audit-events.ts';
import type { Action, Detection } from './detections.ts';
import { addAction, type Raised } from './incidents.store.ts';
import { blockNetworkRow, endEverythingOf, endSessionRow } from './sightings.store.ts';
import { undoSince } from './undo-since.ts';

/** What the actions of a policy are done to, as far as the sighting knows. */
export type ActedOn = {
  readonly userId?: string;
  readonly sessionId?: string;
  /** When it signed in: what the account got from then on, it may have got from a thief. */
  readonly since?: string;
  /** Key of its counter of wrong passwords. */
  readonly networkKey?: string;
};

const BLOCK_SECONDS = 3_600;

export type ActPorts = HasKeyRing & MailPorts;

type Work = (tx: Tx, ports: ActPorts, on: ActedOn, caller: Caller, reason: string) => Promise<boolean>;

/** Each does one thing and says whether it could. The user is held first, then sessions, then counters. */
const works: Record<Action, Work> = {
  end_session: async (tx, _ports, { userId, sessionId, since }, caller, reason) => {
    if (userId !== undefined) await forgetDevices(tx, userId);
    if (sessionId === undefined) return false;
    if (userId === undefined || since === undefined) await endSessionRow(tx, sessionId);
    else await undoSince(tx, { userId, sessionId, since }, reason, caller);
    return true;
  },
  block_network: async (tx, _ports, { networkKey }) => {
    if (networkKey !== undefined) await blockNetworkRow(tx, networkKey, BLOCK_SECONDS);
    return networkKey !== undefined;
  },
  revoke_sessions: async (tx, _ports, { userId, since }, caller, reason) => {
    if (userId === undefined) return false;
    await forgetDevices(tx, userId);
    if (since === undefined) await endEverythingOf(tx, userId);
    else await undoSince(tx, { userId, since }, reason, caller);
    return true;
  },
  step_up: async (tx, ports, { userId }, caller) => {
    const email = userId === undefined ? undefined : await forgetDevices(tx, userId);
    if (userId === undefined || email === undefined) return false;
    // Only its owner opens it again: whoever looks like an attack again and again fills no mailbox.
    const isClosing = await disablePasswordSignIn(tx, ports, { userId, email });
    if (isClosing || (await takeVoidedUnlock(tx, userId))) await offerUnlock(tx, ports, email, caller);
    return true;
  },
};

/**
 * Does what the policy of the detection says, in the transaction of the sighting: both or neither. Running copies see
 * what ended at their next poll. The key ring was loaded once.
 */
export async function actOn(
  tx: Tx,
  ports: ActPorts,
  detection: Detection,
  { id }: Pick<Raised, 'id'>,
  on: ActedOn,
  caller: Caller,
): Promise<void> {
  for (const action of detection.actions) {
    await setAuditContext(tx, caller, detection.name, 'incident');
    if (!(await works[action](tx, ports, on, caller, detection.name))) continue;
    await addAction(tx, id, action);
    await recordEvent(tx, caller, incidentActed, {
      outcome: action,
      target: { kind: 'incident', id },
      detail: { detection: detection.name, ...(on.userId === undefined ? {} : { user_id: on.userId }) },
    });
  }
}
