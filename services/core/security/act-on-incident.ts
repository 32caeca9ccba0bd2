import { recordEvent, setAuditContext } from '../audit/record-event.ts';
import { offerUnlock, takeVoidedUnlock } from '../identity/accounts/offer-unlock.ts';
import type { MailPorts } from '../identity/mail/queue-mail.ts';
import { disablePasswordSignIn } from '../identity/sign-in/sign-in-guard.ts';
import { forgetDevices } from '../identity/sign-in/sign-in-origin.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Caller, Tx } from '../ports.ts';
import { incidentActed } from './audit-events.ts';
import type { Action, Detection } from './detections.ts';
import { addAction, type Raised } from './incidents.store.ts';
import { blockNetworkRow, endEverythingOf, endSessionRow } from './sightings.store.ts';
import { undoSince } from './undo-since.ts';

/** The targets of a policy's actions, as far as the sighting knows them. */
export type ActedOn = {
  readonly userId?: string;
  readonly sessionId?: string;
  /** Time of the sign-in: an attacker may have added whatever the account gained since. */
  readonly since?: string;
  /** Key of the network's counter of failed passwords. */
  readonly networkKey?: string;
};

const BLOCK_SECONDS = 3_600;

export type ActPorts = HasKeyRing & MailPorts;

type RunAction = (tx: Tx, ports: ActPorts, on: ActedOn, caller: Caller, reason: string) => Promise<boolean>;

/** Each runs one action and returns whether it could. Locks the user first, then sessions, then counters. */
const runAction: Record<Action, RunAction> = {
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
    // One mail per block, which only the owner lifts: repeated attacks do not fill the mailbox.
    const isNewlyBlocked = await disablePasswordSignIn(tx, ports, { userId, email });
    if (isNewlyBlocked || (await takeVoidedUnlock(tx, userId))) await offerUnlock(tx, ports, email, caller);
    return true;
  },
};

/**
 * Runs the actions of the detection's policy in the transaction of the sighting, so that both commit or neither does.
 * Running copies see what ended at their next poll. The key ring must have been loaded.
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
    if (!(await runAction[action](tx, ports, on, caller, detection.name))) continue;
    await addAction(tx, id, action);
    await recordEvent(tx, caller, incidentActed, {
      outcome: action,
      target: { kind: 'incident', id },
      detail: { detection: detection.name, ...(on.userId === undefined ? {} : { user_id: on.userId }) },
    });
  }
}
