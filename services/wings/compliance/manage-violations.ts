import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { violationChanged } from './audit-events.ts';
import type { ViolationView } from './contract.ts';
import type { MachineControl } from './control.ts';
import { isRed, type ViolationState } from './control-shapes.ts';
import { violationResolved, violationUnknown } from './errors.ts';
import { acknowledgeFindings, type OpenFindings, readOpenFindings } from './findings.store.ts';
import type { CheckResult } from './run-check.ts';
import {
  changeViolationRow,
  lockViolation,
  openViolation,
  readViolationsPage,
  resolveViolation,
  type ViolationRow,
} from './violations.store.ts';

/** @param findings the events that violations name, by the id of the violation */
const viewOf = (row: ViolationRow, findings: ReadonlyMap<string, OpenFindings>): ViolationView => ({
  ...row,
  events: eventsOf(findings.get(row.violation_id)),
});

const eventsOf = (open: OpenFindings | undefined): ViolationView['events'] =>
  open === undefined ? null : { unacknowledged: open.count, last_seq: open.last_seq, first: [...open.first] };

/** A violation with the events that it names and that are not acknowledged. */
const viewWithEvents = async (sql: Sql, row: ViolationRow): Promise<ViolationView> =>
  viewOf(row, await readOpenFindings(sql, [row.violation_id]));

/** Days until a violation is due, unless a person says otherwise. */
const DUE_DAYS = { required: 14, addressable: 30 } as const;

const record = (
  tx: Tx,
  caller: Caller,
  row: ViolationRow,
  detail: EventDetail<typeof violationChanged> = {},
): Promise<void> =>
  recordEvent(tx, caller, violationChanged, {
    outcome: row.state,
    target: { kind: 'control', id: row.control_id },
    detail: { violation_id: row.violation_id, due_at: row.due_at, exceptions: row.exception_count, ...detail },
  });

/**
 * Opens a violation when a control failed, and resolves it when the control passes or no longer applies. An unknown
 * result changes nothing. Part of the transaction that stores the result.
 */
export async function followViolation(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  { control, result }: { readonly control: MachineControl; readonly result: CheckResult },
  caller: Caller,
): Promise<void> {
  if (isRed(result.status)) {
    const opened = await openViolation(tx, {
      id: random.uuid(),
      control: control.name,
      exceptionCount: result.exception_count,
      detail: result.reason,
      dueDays: DUE_DAYS[control.requirement],
    });
    if (opened) await record(tx, caller, opened);
  } else if (result.status === 'pass' || result.status === 'not_applicable') {
    const resolved = await resolveViolation(tx, {
      control: control.name,
      by: actorNameOf(caller),
      reason: 'the check finds no exception any more',
    });
    if (resolved) await record(tx, caller, resolved);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lists violations, newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listViolations(
  { sql }: Pick<Ports, 'sql'>,
  input: {
    readonly state?: ViolationState | undefined;
    readonly control?: string | undefined;
    readonly isUnresolved?: boolean | undefined;
    readonly limit: number;
    readonly cursor?: string | undefined;
  },
): Promise<{ readonly violations: ViolationView[]; readonly next: string | null }> {
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await readViolationsPage(sql, input, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, (row) => [row.opened_at, row.violation_id]);
  const findings = await readOpenFindings(
    sql,
    items.map((row) => row.violation_id),
  );
  return { violations: items.map((row) => viewOf(row, findings)), next };
}

type Following = {
  readonly violation_id: string;
  /** For the audit log. */
  readonly reason: string;
};
type Assignment = Following & { readonly owner: string; readonly due_at?: string | undefined };

const change = (
  { transact }: Pick<Ports, 'transact'>,
  {
    violation_id: id,
    reason,
    ...changed
  }: Following & Partial<Assignment> & { readonly state: 'assigned' | 'accepted' },
  caller: Caller,
): Promise<ViolationView> =>
  transact(async (tx) => {
    const before = await lockViolation(tx, id);
    if (before === undefined) throw violationUnknown();
    if (before.state === 'resolved') throw violationResolved();
    const row = await changeViolationRow(tx, {
      id,
      state: changed.state,
      owner: changed.owner ?? null,
      dueAt: changed.due_at ?? null,
      reason,
      by: actorNameOf(caller),
    });
    await record(tx, caller, row, { reason, ...(row.owner === null ? {} : { owner: row.owner }) });
    return viewWithEvents(tx, row);
  });

/** Assigns a violation. Throws `violation_unknown` (404), `violation_resolved` (409). */
export const assignViolation = (
  ports: Pick<Ports, 'transact'>,
  input: Assignment,
  caller: Caller,
): Promise<ViolationView> => change(ports, { ...input, state: 'assigned' }, caller);

/**
 * Accepts a violation: the organisation documents why it lives with the exception. Throws `violation_unknown` (404),
 * `violation_resolved` (409).
 */
export const acceptViolation = (
  ports: Pick<Ports, 'transact'>,
  input: Following,
  caller: Caller,
): Promise<ViolationView> => change(ports, { ...input, state: 'accepted' }, caller);

type Acknowledgement = Following & {
  /** The last event that the caller has seen: later ones stay open. */
  readonly through_seq: number;
};

/**
 * Acknowledges the events that a violation names, up to a number. Once all are acknowledged, the next check resolves the
 * violation. A repetition changes nothing. Throws `violation_unknown` (404), `violation_resolved` (409).
 */
export async function acknowledgeViolation(
  { transact }: Pick<Ports, 'transact'>,
  { violation_id: violationId, through_seq: throughSeq, reason }: Acknowledgement,
  caller: Caller,
): Promise<ViolationView> {
  return transact(async (tx) => {
    const before = await lockViolation(tx, violationId);
    if (before === undefined) throw violationUnknown();
    if (before.state === 'resolved') throw violationResolved();
    const acknowledged = await acknowledgeFindings(tx, violationId, throughSeq);
    if (acknowledged > 0)
      await recordEvent(tx, caller, violationChanged, {
        outcome: 'acknowledged',
        target: { kind: 'control', id: before.control_id },
        detail: { violation_id: violationId, reason, acknowledged, through_seq: throughSeq },
      });
    return viewWithEvents(tx, before);
  });
}
