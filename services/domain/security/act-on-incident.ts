import { setAuditContext } from '../audit/audit-context.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Tx } from '../ports.ts';
import { incidentActed } from './audit-events.ts';
import type { Action, Detection } from './detections.ts';
import { addAction, type Raised } from './incidents.store.ts';
import { blockNetworkRow, endEverythingOf, endSessionRow } from './sightings.store.ts';

/** What the actions of a policy are done to, as far as the sighting knows. */
export type ActedOn = {
  readonly userId?: string;
  readonly sessionId?: string;
  /** Key of its counter of wrong passwords. */
  readonly networkKey?: string;
};

const BLOCK_SECONDS = 3_600;

/** Each does one thing and says whether it could. */
const works: Record<Action, (tx: Tx, on: ActedOn) => Promise<boolean>> = {
  end_session: async (tx, { sessionId }) => {
    if (sessionId !== undefined) await endSessionRow(tx, sessionId);
    return sessionId !== undefined;
  },
  block_network: async (tx, { networkKey }) => {
    if (networkKey !== undefined) await blockNetworkRow(tx, networkKey, BLOCK_SECONDS);
    return networkKey !== undefined;
  },
  revoke_sessions: async (tx, { userId }) => {
    if (userId !== undefined) await endEverythingOf(tx, userId);
    return userId !== undefined;
  },
};

/**
 * Does what the policy of the detection says, in the transaction of the sighting: both or neither. Running copies see
 * what ended at their next poll.
 */
export async function actOn(
  tx: Tx,
  detection: Detection,
  { id }: Pick<Raised, 'id'>,
  on: ActedOn,
  caller: Caller,
): Promise<void> {
  for (const action of detection.actions) {
    await setAuditContext(tx, caller, detection.name);
    if (!(await works[action](tx, on))) continue;
    await addAction(tx, id, action);
    await recordEvent(tx, caller, incidentActed, {
      outcome: action,
      target: { kind: 'incident', id },
      detail: { detection: detection.name, ...(on.userId === undefined ? {} : { user_id: on.userId }) },
    });
  }
}
