import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { violationChanged } from './audit-events.ts';
import { violationResolved, violationUnknown } from './errors.ts';
import { acknowledgeFindings } from './findings.store.ts';
import { type ViolationView, viewWithEvents } from './violation-view.ts';
import { lockViolation } from './violations.store.ts';

type Acknowledgement = {
  readonly violationId: string;
  /** The last event that the caller has seen: later ones stay open. */
  readonly throughSeq: number;
  /** For the audit log. */
  readonly reason: string;
};

/**
 * Acknowledges the events that a violation names, up to a number. Once all are acknowledged, the next check resolves the
 * violation. A repetition changes nothing. Throws `violation_unknown` (404), `violation_resolved` (409).
 */
export async function acknowledgeViolation(
  { transact }: Pick<Ports, 'transact'>,
  { violationId, throughSeq, reason }: Acknowledgement,
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
        target: { kind: 'control', id: before.control },
        detail: { violation_id: violationId, reason, acknowledged, through_seq: throughSeq },
      });
    return viewWithEvents(tx, before);
  });
}
