import type { Ports } from '../../ports.ts';
import { readClient } from '../manage-clients.ts';
import type { ClientRefusals } from './contract.ts';
import { readRefusals } from './refusals.store.ts';

/** Refusals of all clients, and of requests that name none. */
export const listClientRefusals = async ({ sql }: Pick<Ports, 'sql'>): Promise<ClientRefusals> => ({
  refusals: await readRefusals(sql),
});

/** Throws `client_unknown` (404). */
export async function explainClientRefusals(
  ports: Pick<Ports, 'sql'>,
  { client_id: clientId }: { readonly client_id: string },
): Promise<ClientRefusals> {
  await readClient(ports, { client_id: clientId });
  return { refusals: await readRefusals(ports.sql, clientId) };
}
