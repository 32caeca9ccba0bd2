import { hash } from 'node:crypto';
import type { AuditEventView } from '../audit/read/event-view.ts';
import { followEventsOf, newestEventSeq } from '../audit/read/list-events.ts';
import type { Ports, Tx } from '../ports.ts';
import { advanceEndpoint, type EndpointRow, insertDeliveries, insertEndpoint, lockEndpoint } from './handoff.store.ts';

/** Rows that may wait for an endpoint; while it is down, later events wait in the sealed log. */
export const WAITING_MAX = 1_000;
const PAGE = 200;

export type HandoffSubject = { readonly kind: string; readonly id: string };

/** The ids of these are chosen by applications and identify patients. */
const HIDDEN_KIND = 'subject';

/** What an event is about: its user, else its client, else its target, else the installation. */
export function subjectOf({ target, detail, actor, client_id: clientId }: AuditEventView): HandoffSubject {
  const userId = [target?.kind === 'user' ? target.id : null, detail.user_id, actor.kind === 'user' ? actor.id : null];
  const id = userId.find((each): each is string => typeof each === 'string');
  if (id !== undefined) return { kind: 'user', id };
  if (clientId !== null) return { kind: 'client', id: clientId };
  if (target === null || target.id === null || target.kind === HIDDEN_KIND)
    return { kind: 'installation', id: 'sallyport' };
  return { kind: target.kind, id: target.id };
}

const lockOf = async (tx: Tx, name: string): Promise<EndpointRow> => {
  const known = await lockEndpoint(tx, name);
  if (known !== undefined) return known;
  await insertEndpoint(tx, name, await newestEventSeq({ sql: tx }));
  return (await lockEndpoint(tx, name)) as EndpointRow;
};

/**
 * Makes deliveries of the next sealed events of these types, and locks the endpoint until the end of the transaction. An
 * endpoint that is seen for the first time gets events from now on.
 */
export async function planDeliveries(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  { name, types }: { readonly name: string; readonly types: readonly string[] },
): Promise<EndpointRow> {
  const endpoint = await lockOf(tx, name);
  const room = Math.min(PAGE, WAITING_MAX - endpoint.waiting);
  if (room <= 0) {
    await advanceEndpoint(tx, name, endpoint.reachedSeq);
    return endpoint;
  }
  const { events, reachedSeq } = await followEventsOf({ sql: tx }, types, endpoint.reachedSeq, room);
  const rows = events.map((event) => {
    const { kind, id } = subjectOf(event);
    return { id: random.uuid(), seq: event.seq, subject: hash('sha256', `${kind}:${id}`, 'hex') };
  });
  if (rows.length > 0) await insertDeliveries(tx, name, rows);
  await advanceEndpoint(tx, name, reachedSeq);
  return endpoint;
}
