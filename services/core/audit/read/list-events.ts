import type { Ports } from '#services/core/ports.ts';
import { isMoment } from '#services/core/shared/pagination.ts';
import type { EndpointInput } from '#services/platform/define/endpoint.ts';
import { cursorInvalid } from '#services/platform/errors.ts';
import type { listAuditEventsEndpoint } from '../contract.ts';
import { type Party, type PartyFilter, readEventsOfParty } from '../event-filters.store.ts';
import {
  type EventFilter,
  type EventPlace,
  FIRST_PLACE,
  readEventsAfter,
  readEventsOfTypes,
  readEventsPage,
  readNewestSeq,
} from '../events.store.ts';
import { type AuditEventView, eventViewOf, exportedViewOf } from './event-view.ts';

export type ListEventsInput = EndpointInput<typeof listAuditEventsEndpoint>['query'];

export type EventsPage = { readonly events: AuditEventView[]; readonly next: string | null };

/**
 * Lists sealed events, newest first: by time if `outcome`, `from` or `to` is given without an actor, target, client or
 * trace, else by `seq`. The filters compare the stored columns and the personal values that are not erased; a row that was altered
 * is shown as it was sealed, and marked.
 * @throws cursorInvalid (400) for a malformed cursor, or one of the other order
 */
export async function listEvents({ sql }: Pick<Ports, 'sql'>, input: ListEventsInput): Promise<EventsPage> {
  const isOfParty = PARTIES.some((party) => input[party] !== undefined);
  const isByTime = !isOfParty && TIMED.some((filter) => input[filter] !== undefined);
  const before = input.cursor === undefined ? FIRST_PLACE : placeOf(input.cursor, isByTime);
  const rows = isOfParty
    ? await readEventsOfParty(sql, partyFilterOf(input), before.seq, input.limit + 1)
    : await readEventsPage(sql, filterOf(input, isByTime), before, input.limit + 1);
  const shown = rows.slice(0, input.limit);
  const last = rows.length > input.limit ? shown.at(-1) : undefined;
  return { events: shown.map(eventViewOf), next: last === undefined ? null : cursorOf(last, isByTime) };
}

const PARTIES = ['actor', 'target', 'client', 'trace'] as const;
const TIMED = ['outcome', 'from', 'to'] as const;

const filterOf = ({ type, outcome, from, to }: ListEventsInput, isByTime: boolean): EventFilter => ({
  type,
  outcome,
  between: isByTime ? { from: storedInstant(from) ?? '-infinity', to: storedInstant(to) ?? 'infinity' } : undefined,
});

const partyFilterOf = ({ type, outcome, actor, target, client, trace, from, to }: ListEventsInput): PartyFilter => ({
  actor: partyOf(actor),
  target: partyOf(target),
  clientId: client,
  traceId: trace,
  type,
  outcome,
  from: storedInstant(from),
  to: storedInstant(to),
});

function partyOf(text: string | undefined): Party | undefined {
  if (text === undefined) return undefined;
  const end = text.indexOf(':');
  return { kind: text.slice(0, end), id: text.slice(end + 1) };
}

/** Whether `listEvents` with these filters would list the event, apart from its time. */
export function fitsFilter(
  event: AuditEventView,
  { type, outcome, actor, target, client, trace }: Pick<ListEventsInput, 'type' | 'outcome' | (typeof PARTIES)[number]>,
): boolean {
  const nameOf = (party: AuditEventView['target']): string | undefined =>
    party === null ? undefined : `${party.kind}:${party.id ?? ''}`;
  const pairs = [
    [type, event.type],
    [outcome, event.outcome],
    [actor, nameOf(event.actor)],
    [target, nameOf(event.target)],
    [client, event.client_id],
    [trace, event.trace_id],
  ];
  return pairs.every(([wanted, found]) => wanted === undefined || wanted === found);
}

const YEAR_ZERO = /^0000/;
const FAR_OFFSET = /[+-](?:1[6-9]|2\d):\d\d$/;
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Converts an RFC 3339 time that Postgres rejects: year 0, or an offset beyond 15:59. Other times stay unchanged. */
export function storedInstant(text: string | undefined): string | undefined {
  if (text === undefined || !(YEAR_ZERO.test(text) || FAR_OFFSET.test(text))) return text;
  return new Date(Math.min(Math.max(Date.parse(text), FIRST_MS), LAST_MS)).toISOString();
}

/** Sealed events after this one, oldest first. */
export const followEvents = async (
  { sql }: Pick<Ports, 'sql'>,
  afterSeq: number,
  limit: number,
): Promise<AuditEventView[]> => (await readEventsAfter(sql, afterSeq, limit)).map(eventViewOf);

/** The same, without texts and personal values: `exportedViewOf`. */
export const followSealedEvents = async (
  { sql }: Pick<Ports, 'sql'>,
  afterSeq: number,
  limit: number,
): Promise<AuditEventView[]> => (await readEventsAfter(sql, afterSeq, limit)).map(exportedViewOf);

export { NEWEST_SEALED_AT, NEWEST_SEQ } from '../events.store.ts';

/** `seq` of the newest sealed event; -1 before the first. */
export const newestEventSeq = ({ sql }: Pick<Ports, 'sql'>): Promise<number> => readNewestSeq(sql);

/**
 * Sealed events of these types after `afterSeq`, oldest first. `reachedSeq` is the last event that the search covered, so
 * that the next call does not search the same events again.
 * @param span events of any type to search at most
 * @returns `isNewest`: the search covered the newest event
 */
export async function followEventsOf(
  { sql }: Pick<Ports, 'sql'>,
  types: readonly string[],
  afterSeq: number,
  limit: number,
  span = Number.MAX_SAFE_INTEGER,
): Promise<{ readonly events: AuditEventView[]; readonly reachedSeq: number; readonly isNewest: boolean }> {
  const newest = await readNewestSeq(sql);
  if (newest <= afterSeq) return { events: [], reachedSeq: afterSeq, isNewest: true };
  const upTo = newest - afterSeq > span ? afterSeq + span : newest;
  const rows = await readEventsOfTypes(sql, types, { after: afterSeq, upTo }, limit);
  const last = rows.length === limit ? rows.at(-1) : undefined;
  // An altered row is what was sealed, so it may be of another type.
  const events = rows.map(eventViewOf).filter(({ type }) => types.includes(type));
  const reachedSeq = last?.seq ?? upTo;
  return { events, reachedSeq, isNewest: reachedSeq === newest };
}

/** The cursor is not signed: it contains only a position, and the caller may read every event of the list. */
const cursorOf = (row: EventPlace, isByTime: boolean): string =>
  Buffer.from(isByTime ? `${row.occurred_at} ${row.seq}` : String(row.seq)).toString('base64url');

const CURSOR = /^(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) )?(0|[1-9]\d{0,15})$/;

function placeOf(cursor: string, isByTime: boolean): EventPlace {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const [, occurredAt, digits] = CURSOR.exec(text) ?? [];
  const seq = Number(digits);
  const isTime = occurredAt === undefined ? !isByTime : isByTime && isMoment(occurredAt);
  const isWhole = Buffer.from(text, 'latin1').toString('base64url') === cursor;
  if (digits === undefined || !Number.isSafeInteger(seq) || !isTime || !isWhole) throw cursorInvalid();
  return { seq, occurred_at: occurredAt ?? 'infinity' };
}
