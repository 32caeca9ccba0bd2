import { hash } from 'node:crypto';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { followEventsOf, newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Ports, Tx } from '#services/core/ports.ts';
import {
  advanceEndpoint,
  advanceParked,
  type EndpointRow,
  insertDeliveries,
  insertEndpoint,
  insertParked,
  lockEndpoint,
  type NewDelivery,
  type ParkedSubject,
  parkFailingSubjects,
} from './handoff.store.ts';

/** Rows that may wait for an endpoint; while it is down, later events wait in the sealed log. */
export const WAITING_MAX = 1_000;
const PAGE = 200;
/** Pages of the log that one transaction reads; the next one continues. */
const PAGES_MAX = 10;

type HandoffSubject = { readonly kind: string; readonly id: string };

/** The ids of these are chosen by applications and identify patients. */
const HIDDEN_KIND = 'subject';

/** What an event is about: its user, else its client, else its target, else the installation. */
export function eventSubjectOf({ target, detail, actor, client_id: clientId }: AuditEventView): HandoffSubject {
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

type Planning = {
  readonly tx: Tx;
  readonly random: Ports['random'];
  readonly name: string;
  readonly types: readonly string[];
};

function deliveryOf({ random }: Planning, event: AuditEventView): NewDelivery {
  const { kind, id } = eventSubjectOf(event);
  return { id: random.uuid(), seq: event.seq, subject: hash('sha256', `${kind}:${id}`, 'hex') };
}

/**
 * Searches the log for the events of subjects whose failed one was accepted or given up, and makes deliveries of at most
 * `room`. A subject that reached `upTo`, the end of what was planned, is no longer parked. Returns the others.
 */
async function resumeParked(
  planning: Planning,
  parked: readonly ParkedSubject[],
  { upTo, room }: { readonly upTo: number; readonly room: number },
): Promise<{ readonly made: number; readonly parked: readonly ParkedSubject[] }> {
  const { tx, name, types } = planning;
  const after = new Map(parked.flatMap((row) => (row.is_free ? [[row.subject, row.after_seq ?? -1] as const] : [])));
  let made = 0;
  for (let page = 0; page < PAGES_MAX && after.size > 0 && made < room; page += 1) {
    const from = Math.min(...after.values());
    const { events, reachedSeq } = await followEventsOf({ sql: tx }, types, from, Math.min(PAGE, room - made));
    const searched = Math.min(reachedSeq, upTo);
    const rows = events
      .filter(({ seq }) => seq <= upTo)
      .map((event) => deliveryOf(planning, event))
      .filter(({ subject, seq }) => (after.get(subject) ?? seq) < seq);
    await insertDeliveries(tx, name, rows);
    await advanceParked(tx, name, [...after.keys()], searched, upTo);
    made += rows.length;
    if (searched >= upTo) return { made, parked: parked.filter(({ subject }) => !after.has(subject)) };
    for (const [subject, seq] of after) after.set(subject, Math.max(seq, searched));
  }
  return { made, parked };
}

/**
 * Makes deliveries of the next sealed events of these types, and locks the endpoint until the end of the transaction. An
 * endpoint that is seen for the first time gets events from now on. Events of a subject whose first one has failed stay
 * in the log until it is accepted or given up, so that they do not take the place of others.
 */
export async function planDeliveries(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  { name, types }: { readonly name: string; readonly types: readonly string[] },
): Promise<EndpointRow> {
  const endpoint = await lockOf(tx, name);
  const planning = { tx, random, name, types };
  const { freed, parked: before } = await parkFailingSubjects(tx, name);
  const free = Math.min(PAGE, WAITING_MAX - endpoint.waiting + freed);
  const { made, parked } = await resumeParked(planning, before, { upTo: endpoint.reached_seq, room: free });
  const skipped = new Set(parked.map(({ subject }) => subject));
  const reached = await planNext(planning, skipped, { from: endpoint.reached_seq, room: free - made });
  await advanceEndpoint(tx, name, reached);
  return endpoint;
}

/** Makes at most `room` deliveries of the next events, except those of these subjects. Returns how far it read the log. */
async function planNext(
  planning: Planning,
  skipped: ReadonlySet<string>,
  { from, room }: { readonly from: number; readonly room: number },
): Promise<number> {
  const { tx, name, types } = planning;
  let [reached, left] = [from, room];
  for (let page = 0; page < PAGES_MAX && left > 0; page += 1) {
    const { events, reachedSeq } = await followEventsOf({ sql: tx }, types, reached, PAGE);
    const rows = events.map((event) => deliveryOf(planning, event));
    const isBehind = ({ subject }: NewDelivery): boolean => skipped.has(subject);
    const withoutPlace = rows.filter((row) => !isBehind(row))[left];
    const read = rows.filter(({ seq }) => withoutPlace === undefined || seq < withoutPlace.seq);
    const [planned, behind] = [read.filter((row) => !isBehind(row)), read.filter(isBehind)];
    if (planned.length > 0) await insertDeliveries(tx, name, planned);
    if (behind.length > 0) await insertParked(tx, name, behind);
    if (withoutPlace !== undefined) return withoutPlace.seq - 1;
    [reached, left] = [reachedSeq, left - planned.length];
    if (events.length < PAGE) break;
  }
  return reached;
}
