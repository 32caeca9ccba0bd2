import { phiOperations } from '#observability/metrics/privacy.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { phiShreddedEvent } from './audit-events.ts';
import { phiSubjectUnknown } from './errors.ts';
import { shredDataKeys } from './phi-keys.store.ts';
import { assertNotHeld } from './retention/legal-holds.ts';

type ShredPhiAnswer = { readonly subject_id: string; readonly destroyed_keys: number; readonly shredded_at: string };

/**
 * Destroys every data key of a subject. From its commit on no copy decrypts a value encrypted before, because a data key
 * is read from the database for each value. Throws `phi_subject_unknown` (404), `subject_held` (409).
 */
export const shredPhi = (
  { transact }: Pick<Ports, 'transact'>,
  { subject_id: subjectId, reason }: { readonly subject_id: string; readonly reason: string },
  caller: Caller,
): Promise<ShredPhiAnswer> =>
  transact(async (tx) => {
    await assertNotHeld(tx, subjectId);
    const times = await shredDataKeys(tx, subjectId);
    if (times.length === 0) throw phiSubjectUnknown();
    await recordEvent(tx, caller, phiShreddedEvent, {
      target: { kind: 'subject', id: subjectId },
      detail: { destroyed_keys: times.length, reason },
    });
    tx.afterCommit(() => phiOperations.add(times.length, { operation: 'shred', outcome: 'ok' }));
    return { subject_id: subjectId, destroyed_keys: times.length, shredded_at: times.sort().at(-1) as string };
  });
