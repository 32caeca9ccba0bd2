import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { endSessionIn } from '#services/core/identity/sessions/end-session.ts';
import { disableFollowing, followProfile } from '#services/core/identity/users/follow-provider.ts';
import type { Caller, Fence, Ports, Tx } from '#services/core/ports.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { legacyEventApplied } from './audit-events.ts';
import {
  endLegacySession,
  finishLegacyEvent,
  type LegacyEventRow,
  postponeLegacyEvent,
  takeLegacyEvent,
} from './legacy-events.store.ts';
import { findLegacyUser, readLegacySession } from './legacy-sessions.store.ts';

type ApplyPorts = Pick<Ports, 'transact' | 'clock'> & {
  /** LEGACY_PROVIDER; null: the only one. */
  readonly legacyProvider: string | null;
};
type Run = { readonly fence: Fence; readonly signal: AbortSignal };

/** Less than half the time limit of the job; what is left then is applied by the next run. */
const RUN_MS = 40_000;
/** How often a user who was not imported yet is looked for. An import wakes the event at once. */
const WAIT_SECONDS = 60;
const WAITING = 'user_not_imported';

// The row triggers write the revocations, which every copy reads within a second; workers cache no sessions.
const ELSEWHERE = { auth: { forget: async () => {} }, announceRevocations: () => {} };

type EventState = NonNullable<EventDetail<typeof legacyEventApplied>['state']>;

async function applyToUser(
  tx: Tx,
  row: Exclude<LegacyEventRow, { readonly kind: 'session_ended' }>,
  provider: string | null,
  caller: Caller,
): Promise<EventState> {
  const found = await findLegacyUser(tx, row.subject, provider);
  if (found === undefined) return WAITING;
  if (found.user_id === null) return 'user_deleted_here';
  // A deletion is final, whatever happened after it.
  if (row.is_superseded && row.kind !== 'user_deleted') return 'superseded';
  if (row.kind !== 'user_deleted') await followProfile(tx, found.user_id, row.changes, caller);
  else if (!(await disableFollowing(tx, found.user_id, caller))) return 'last_admin';
  return 'applied';
}

async function applySessionEnd(tx: Tx, session: Buffer, caller: Caller): Promise<EventState> {
  await setAuditContext(tx, caller, 'legacy_session_ended');
  const known = await readLegacySession(tx, session);
  // Before the row below, as a sign-out does.
  if (known?.session_id) await endSessionIn(tx, ELSEWHERE, known.session_id);
  await endLegacySession(tx, session);
  return 'applied';
}

/** Applies the next event, with its audit event; false if none is due. */
async function applyNext(ports: ApplyPorts, fence: Fence, caller: Caller): Promise<boolean> {
  return ports.transact(async (tx) => {
    await fence.hold(tx);
    const row = await takeLegacyEvent(tx);
    if (row === undefined) return false;
    const state =
      row.kind === 'session_ended'
        ? await applySessionEnd(tx, row.session, caller)
        : await applyToUser(tx, row, ports.legacyProvider, caller);
    if (state === WAITING && !row.is_old) await postponeLegacyEvent(tx, row.id, state, WAIT_SECONDS);
    else {
      await finishLegacyEvent(tx, row.id, state);
      await recordEvent(tx, caller, legacyEventApplied, {
        outcome: state === 'applied' ? 'ok' : 'dropped',
        detail: { kind: row.kind, state },
      });
    }
    return true;
  });
}

/**
 * Applies the events of the old provider: each once, those of a user in the order in which they happened. An event of a
 * user who was not imported yet waits for a day.
 */
export async function applyLegacyEvents(ports: ApplyPorts, { fence, signal }: Run, caller: Caller): Promise<number> {
  const endsAt = ports.clock.monotonic() + RUN_MS;
  let applied = 0;
  while (!signal.aborted && ports.clock.monotonic() < endsAt && (await applyNext(ports, fence, caller))) applied += 1;
  return applied;
}
