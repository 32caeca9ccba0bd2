import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { type Page, pageOf, placeOfCursor } from '../shared/pagination.ts';
import { eventRetried } from './audit-events.ts';
import { eventNotSetAside } from './errors.ts';
import { readUnevaluatedPage, retryUnevaluated } from './unevaluated-events.store.ts';

export type UnevaluatedView = {
  /** Its seq in the audit log. */
  readonly seq: number;
  readonly type: string;
  readonly tries: number;
  /** Error code of the last attempt. */
  readonly failure: string;
  readonly failed_at: string;
  /** Null if the event is set aside. */
  readonly next_try_at: string | null;
};

/** Lists events whose handling failed, oldest first. Throws `cursor_invalid` (400). */
export async function listUnevaluated(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<UnevaluatedView>> {
  const [after = '-1'] = placeOfCursor(input.cursor, [/^\d{1,15}$/]) ?? [];
  const rows = await readUnevaluatedPage(sql, Number(after), input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ seq }) => [String(seq)]);
  return {
    items: items.map((row) => ({
      seq: row.seq,
      type: row.type,
      tries: row.tries,
      failure: row.failure,
      failed_at: row.failed_at.toISOString(),
      next_try_at: row.next_try_at?.toISOString() ?? null,
    })),
    next,
  };
}

/** Schedules another evaluation of an event that was set aside. Throws `event_not_set_aside` (404). */
export async function retryEvent(
  { transact }: Pick<Ports, 'transact'>,
  { seq, reason }: { readonly seq: number; readonly reason: string },
  caller: Caller,
): Promise<{ readonly seq: number }> {
  await transact(async (tx) => {
    if (!(await retryUnevaluated(tx, seq))) throw eventNotSetAside();
    await recordEvent(tx, caller, eventRetried, {
      target: { kind: 'installation', id: 'sallyport' },
      detail: { seq, reason },
    });
  });
  return { seq };
}
