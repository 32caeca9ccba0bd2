import type { Ports } from '#services/core/ports.ts';
import { type Page, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { listUseRows, type PhiUseView } from './access.store.ts';

export type { PhiUseView };

const SEQ = /^\d{1,15}$/;

/** Sealed uses and disclosures of a person's data, newest first. Throws `cursor_invalid` (400). */
export async function listPhiUses(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly subjectId: string; readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<PhiUseView>> {
  const [before] = placeOfCursor(input.cursor, [SEQ]) ?? [];
  const rows = await listUseRows(sql, input.subjectId, before, input.limit + 1);
  return pageOf(rows, input.limit, ({ seq }) => [String(seq)]);
}
