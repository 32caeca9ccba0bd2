import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Sql } from '#services/core/ports.ts';
import { assertSubject } from '../assert-subject.ts';
import { legalHoldChanged } from '../audit-events.ts';
import { endHoldRow, insertHold, isHeld, listHoldRows } from './retention.store.ts';
import type { LegalHoldView } from './retention-contract.ts';
import { legalHoldUnknown, subjectHeld } from './retention-errors.ts';

/** Throws `subject_held` (409) while a legal hold protects the person's records. */
export async function assertNotHeld(sql: Sql, subjectId: string): Promise<void> {
  if (await isHeld(sql, subjectId)) throw subjectHeld();
}

/** Keeps every record of a person until the hold is ended, whatever the policies say. Throws
 * `phi_subject_unknown` (404). */
export const placeHold = (
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  { subject_id: subjectId, reason }: { readonly subject_id: string; readonly reason: string },
  caller: Caller,
): Promise<LegalHoldView> =>
  transact(async (tx) => {
    await assertSubject(tx, subjectId);
    const row = await insertHold(tx, random.uuid(), subjectId);
    await recordEvent(tx, caller, legalHoldChanged, {
      outcome: 'placed',
      target: { kind: 'subject', id: subjectId },
      detail: { hold_id: row.hold_id, reason },
    });
    return row;
  });

/** Throws `legal_hold_unknown` (404). */
export const endHold = (
  { transact }: Pick<Ports, 'transact'>,
  {
    subject_id: subjectId,
    hold_id: holdId,
    reason,
  }: { readonly subject_id: string; readonly hold_id: string; readonly reason: string },
  caller: Caller,
): Promise<LegalHoldView> =>
  transact(async (tx) => {
    const row = await endHoldRow(tx, holdId, subjectId);
    if (row === undefined) throw legalHoldUnknown();
    await recordEvent(tx, caller, legalHoldChanged, {
      outcome: 'ended',
      target: { kind: 'subject', id: subjectId },
      detail: { hold_id: row.hold_id, reason },
    });
    return row;
  });

/** The newest two hundred, ended ones included. */
export const listHolds = async (
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly subject_id: string },
): Promise<{ readonly holds: LegalHoldView[] }> => ({ holds: await listHoldRows(sql, input.subject_id) });
