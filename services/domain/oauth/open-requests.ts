import type { Client } from '../access/access-directory.ts';
import { openRequestsFull } from './errors.ts';

/** How many requests of a client may wait for people at once: strangers can send them in the name of a public client. */
const MOST = { vetted: 10_000, unvetted: 1_000 };
const RETRY_SECONDS = 60;

export const mostOpenRequests = ({ origin }: Pick<Client, 'origin'>): number =>
  origin === 'admin' ? MOST.vetted : MOST.unvetted;

/**
 * A bound, no exact number: a few that come at the same time may pass it together.
 * @param count of those that wait, `limit` at most
 * Throws `open_requests_full` (429).
 */
export async function assertRoom(
  client: Pick<Client, 'origin'>,
  count: (limit: number) => Promise<number>,
): Promise<void> {
  const most = mostOpenRequests(client);
  if ((await count(most)) >= most) throw openRequestsFull({ retryAfterSeconds: RETRY_SECONDS });
}
