import { accountRead } from '#services/core/authority/own-scopes.ts';
import { type ShowUserPorts, showUser } from '#services/core/identity/admin/read-users.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import type { GrantedConsentView } from './consent-contract.ts';
import { readAllowedClients } from './consents.store.ts';

type PageAsked = { readonly limit: number; readonly cursor?: string | undefined };
type ConsentPage = { readonly consents: readonly GrantedConsentView[]; readonly next: string | null };

/**
 * Lists the clients that can act for the caller, by id, one page at a time: clients with a consent, and clients with
 * only a token family (devices). Throws `cursor_invalid` (400), `permission_missing` (403).
 */
export const listGrantedConsents = async (
  ports: Pick<Ports, 'sql'>,
  input: PageAsked,
  caller: Caller,
): Promise<ConsentPage> => consentsOf(ports, accountRead(caller, 'own.applications').userId, input);

/** The same of another user. Throws `cursor_invalid` (400), `user_unknown` (404). */
export async function listApplicationConsents(
  ports: ShowUserPorts,
  input: PageAsked & { readonly user_id: string },
): Promise<ConsentPage> {
  const { id } = await showUser(ports, input);
  return consentsOf(ports, id, input);
}

async function consentsOf({ sql }: Pick<Ports, 'sql'>, userId: string, input: PageAsked): Promise<ConsentPage> {
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readAllowedClients(sql, userId, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, (row) => [row.client_id]);
  return { consents: items, next };
}
