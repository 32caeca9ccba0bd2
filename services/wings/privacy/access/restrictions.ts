import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { assertSubject } from '../assert-subject.ts';
import { restrictionChanged } from '../audit-events.ts';
import type { PhiPurpose } from '../phi-shapes.ts';
import { endRestrictionRow, insertRestriction, listRestrictionRows } from './access.store.ts';
import type { RestrictionView } from './access-contract.ts';
import { restrictionUnknown } from './access-errors.ts';

/** Refuses every use of a person's values for these purposes from now on, except by emergency access. Throws
 * `phi_subject_unknown` (404). */
export function addRestriction(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  input: { readonly subject_id: string; readonly purposes: readonly PhiPurpose[]; readonly reason: string },
  caller: Caller,
): Promise<RestrictionView> {
  const { subject_id: subjectId, reason } = input;
  const purposes = [...new Set(input.purposes)].sort();
  return transact(async (tx) => {
    await assertSubject(tx, subjectId);
    const row = await insertRestriction(tx, { id: random.uuid(), subjectId, purposes });
    await recordEvent(tx, caller, restrictionChanged, {
      outcome: 'added',
      target: { kind: 'subject', id: subjectId },
      detail: { restriction_id: row.restriction_id, purposes, reason },
    });
    return row;
  });
}

/** Throws `restriction_unknown` (404). */
export function endRestriction(
  { transact }: Pick<Ports, 'transact'>,
  input: { readonly subject_id: string; readonly restriction_id: string; readonly reason: string },
  caller: Caller,
): Promise<RestrictionView> {
  const { subject_id: subjectId, restriction_id: restrictionId, reason } = input;
  return transact(async (tx) => {
    const row = await endRestrictionRow(tx, restrictionId, subjectId);
    if (row === undefined) throw restrictionUnknown();
    await recordEvent(tx, caller, restrictionChanged, {
      outcome: 'ended',
      target: { kind: 'subject', id: subjectId },
      detail: { restriction_id: row.restriction_id, reason },
    });
    return row;
  });
}

/** The newest two hundred of a person, ended ones included. */
export const listRestrictions = async (
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly subject_id: string },
): Promise<{ readonly restrictions: RestrictionView[] }> => ({
  restrictions: await listRestrictionRows(sql, input.subject_id),
});
