import { recordEvent } from '#services/core/audit/record-event.ts';
import { isInstallation, personOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { breakGlassOpened, breakGlassReviewedEvent } from '../audit-events.ts';
import { insertBreakGlass, listBreakGlassRows, lockBreakGlass, reviewBreakGlassRow } from './access.store.ts';
import type { BreakGlassView } from './access-contract.ts';
import { breakGlassReviewed, breakGlassUnknown, usersOnly } from './access-errors.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function userOf(caller: Caller): string {
  const user = personOf(caller);
  if (user === null) throw usersOnly();
  return user.userId;
}

/**
 * Opens emergency access of the calling user to one person, which ends by itself. The event raises an incident, and
 * another user reviews it. Throws `users_only` (403).
 */
export function openBreakGlass(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  {
    subject_id: subjectId,
    minutes,
    reason,
  }: { readonly subject_id: string; readonly minutes: number; readonly reason: string },
  caller: Caller,
): Promise<BreakGlassView> {
  const userId = userOf(caller);
  return transact(async (tx) => {
    const row = await insertBreakGlass(tx, { id: random.uuid(), userId, subjectId, minutes });
    await recordEvent(tx, caller, breakGlassOpened, {
      target: { kind: 'subject', id: subjectId },
      detail: { break_glass_id: row.break_glass_id, user_id: userId, expires_at: row.expires_at, reason },
    });
    return row;
  });
}

/**
 * Records the review, and ends the access if it is still open. Throws `break_glass_unknown` (404), `users_only` (403), and
 * `break_glass_reviewed` (409) for a second review or one by the user who opened it.
 * @param input `reviewer`: the user who reviewed it, where the command line records the review; ignored for others
 */
export function reviewBreakGlass(
  { transact }: Pick<Ports, 'transact'>,
  input: {
    readonly break_glass_id: string;
    readonly outcome: 'justified' | 'unjustified';
    readonly reason: string;
    readonly reviewer?: string;
  },
  caller: Caller,
): Promise<BreakGlassView> {
  const reviewer = isInstallation(caller) && input.reviewer !== undefined ? input.reviewer : userOf(caller);
  return transact(async (tx) => {
    const before = await lockBreakGlass(tx, input.break_glass_id);
    if (before === undefined) throw breakGlassUnknown();
    if (before.outcome !== null || before.user_id === reviewer) throw breakGlassReviewed();
    const row = await reviewBreakGlassRow(tx, input.break_glass_id, input.outcome, reviewer);
    await recordEvent(tx, caller, breakGlassReviewedEvent, {
      outcome: input.outcome,
      target: { kind: 'subject', id: row.subject_id },
      detail: { break_glass_id: row.break_glass_id, user_id: row.user_id, reviewed_by: reviewer, reason: input.reason },
    });
    return row;
  });
}

/** Newest first. Throws `cursor_invalid` (400). */
export async function listBreakGlass(
  { sql }: Pick<Ports, 'sql'>,
  input: {
    readonly reviewed?: 'true' | 'false' | undefined;
    readonly limit: number;
    readonly cursor?: string | undefined;
  },
): Promise<{ readonly break_glass: BreakGlassView[]; readonly next: string | null }> {
  const reviewed = input.reviewed === undefined ? undefined : input.reviewed === 'true';
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await listBreakGlassRows(sql, reviewed, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, (row) => [row.opened_at, row.break_glass_id]);
  return { break_glass: items, next };
}
