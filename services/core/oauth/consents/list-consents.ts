import { accountRead } from '#services/core/authority/own-scopes.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import type { GrantedConsentView } from './consent-contract.ts';
import { readAllowedClients } from './consents.store.ts';

type ConsentPage = { readonly consents: readonly GrantedConsentView[]; readonly next: string | null };

/**
 * Lists the clients that can act for the caller, by id, one page at a time: clients with a consent, and clients with
 * only a token family (devices). Throws `cursor_invalid` (400), `permission_missing` (403).
 */
export async function listGrantedConsents(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly limit: number; readonly cursor?: string | undefined },
  caller: Caller,
): Promise<ConsentPage> {
  const { userId } = accountRead(caller, 'own.applications');
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readAllowedClients(sql, userId, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, (row) => [row.client_id]);
  return { consents: items, next };
}
