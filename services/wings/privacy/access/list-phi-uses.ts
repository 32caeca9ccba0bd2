import type { Ports } from '#services/core/ports.ts';
import { type Page, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { listUseRows, type UseRow } from './access.store.ts';

/** A use of a person's data, as the sealed log has it. */
export type PhiUseView = {
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly outcome: string;
  readonly actor: string;
  readonly occurred_at: string;
  readonly purpose: string | null;
  /** Why a decryption was permitted. */
  readonly basis: string | null;
  readonly reference: string | null;
};

const SEQ = /^\d{1,15}$/;

const viewOf = ({ event_id: eventId, occurred_at: occurredAt, ...row }: UseRow): PhiUseView => ({
  ...row,
  event_id: eventId,
  occurred_at: occurredAt,
});

/** Sealed uses and disclosures of a person's data, newest first. Throws `cursor_invalid` (400). */
export async function listPhiUses(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly subjectId: string; readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<PhiUseView>> {
  const [before] = placeOfCursor(input.cursor, [SEQ]) ?? [];
  const rows = await listUseRows(sql, input.subjectId, before, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ seq }) => [String(seq)]);
  return { items: items.map(viewOf), next };
}
