import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { HasNewest } from '#services/core/revocations/confirm-state.ts';

/**
 * The client with this id, for a request that has sent no secret; one that memory does not know is looked up before it
 * counts as unknown. Whether such an id exists is no secret: the answer to the request says it anyway.
 * Throws `directory_stale` (503).
 */
export async function newestClient(
  { access, confirmNewest }: HasAccess & HasNewest,
  clientId: string,
): Promise<Client | undefined> {
  const known = access.client(clientId);
  if (known !== undefined) return known;
  await confirmNewest();
  return access.client(clientId);
}
