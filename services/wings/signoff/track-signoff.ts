import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { signOffRequested } from './audit-events.ts';
import { bindArguments } from './bind-arguments.ts';
import { applyDecision } from './decide-signoff.ts';
import { signOffArgumentsChanged, signOffUnknown } from './errors.ts';
import { LIFE_MINUTES_MAX, type SignOffRole, type SignOffState } from './signoff-shapes.ts';
import { factsOf, requirementsOf } from './signoff-view.ts';
import { insertSignOff, lockSignOff, type SignOffRow } from './signoffs.store.ts';

/** The act of sign-offs whose decisions an embedding application makes. */
const TRACKED_ACT = 'signoff.tracked';

export type TrackedSignOff = {
  /** Empty for a new record. */
  readonly signOffId?: string | undefined;
  /** What is signed off, such as `release 1.4`. */
  readonly subject: string;
  readonly requiredRoles: readonly SignOffRole[];
  readonly approvals: readonly { readonly role: SignOffRole; readonly userId: string }[];
};

export type TrackedState = {
  readonly signOffId: string;
  readonly state: SignOffState;
  readonly approvals: readonly { readonly role: SignOffRole; readonly userId: string; readonly at: string }[];
};

const stateOf = ({ id, state, decisions }: SignOffRow): TrackedState => ({
  signOffId: id,
  state,
  approvals: decisions.map(({ role, user_id: userId, at }) => ({ role, userId, at })),
});

/**
 * Stores a record of a sign-off whose approvals an embedding application collects, and the approvals that are new in it. It is
 * `approved` only when every role has approved, each by another person who has the role; the application cannot set that
 * itself. Approvals that are stored already change nothing.
 * Throws `signoff_role_missing` (403), `signoff_unknown` (404), `signoff_arguments_changed`, `signoff_already_decided`, `signoff_role_not_required`, `signoff_closed` (409).
 */
export function trackSignOff(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  record: TrackedSignOff,
  caller: Caller & { readonly kind: 'system' },
): Promise<TrackedState> {
  const bound = bindArguments({ subject: record.subject });
  const requiredRoles = [...new Set(record.requiredRoles)];
  return transact(async (tx) => {
    const id = record.signOffId ?? random.uuid();
    let row = record.signOffId === undefined ? undefined : await lockSignOff(tx, id);
    // The application reports on its own records, never on an act that people approve here.
    if (row !== undefined && (row.act !== TRACKED_ACT || row.requested_by !== caller.name)) throw signOffUnknown();
    if (row !== undefined && row.arguments_sha256 !== bound.sha256) throw signOffArgumentsChanged();
    if (row === undefined) {
      await insertSignOff(tx, {
        id,
        act: TRACKED_ACT,
        title: record.subject,
        arguments: bound.text,
        arguments_sha256: bound.sha256,
        requested_by_kind: 'system',
        requested_by: caller.name,
        client_id: null,
        barredUsers: [],
        requiredRoles,
        quorum: requiredRoles.length,
        min_security_score: null,
        no_open_incident: false,
        lifeMinutes: LIFE_MINUTES_MAX,
      });
      row = (await lockSignOff(tx, id)) as SignOffRow;
      await recordEvent(tx, caller, signOffRequested, {
        outcome: 'ok',
        target: { kind: 'signoff', id },
        detail: { ...factsOf(row), ...requirementsOf(row) },
      });
    }
    for (const { role, userId } of record.approvals) {
      const isKnown = row.decisions.some((stored) => stored.role === role && stored.user_id === userId);
      if (isKnown) continue;
      const decided = { role, userId, decision: 'approve', comment: null } as const;
      row = await applyDecision(tx, row, decided, { caller, isTracked: true });
    }
    return stateOf(row);
  });
}
