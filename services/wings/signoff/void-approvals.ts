import { signOffEvents } from '#observability/metrics/signoff.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { signOffApprovalVoided } from './audit-events.ts';
import { factsOf } from './signoff-view.ts';
import { deleteVoidApprovals, lockSignOff, type SignOffRow } from './signoffs.store.ts';

/**
 * Removes the approvals of a locked sign-off that do not count any more, each with an event: of people who were disabled
 * or deleted, lost the role, or can act as the requester since. An approved sign-off that loses one is pending again.
 */
export async function voidApprovals(tx: Tx, row: SignOffRow, caller: Caller): Promise<SignOffRow> {
  const removed = await deleteVoidApprovals(tx, row.id);
  if (removed.length === 0) return row;
  for (const { role, user_id: userId, why } of removed)
    await recordEvent(tx, caller, signOffApprovalVoided, {
      outcome: 'ok',
      target: { kind: 'signoff', id: row.id },
      detail: { ...factsOf(row), role, user_id: userId, why },
    });
  tx.afterCommit(() => signOffEvents.add(removed.length, { event: 'approval_void' }));
  return (await lockSignOff(tx, row.id)) as SignOffRow;
}
