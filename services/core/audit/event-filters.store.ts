import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { VIEW_COLUMNS, type ViewRow } from './events.store.ts';

/** An actor or target, as `auditEventView` names it. */
export type Party = { readonly kind: string; readonly id: string };

/** At least one of the first four. */
export type PartyFilter = {
  readonly actor?: Party | undefined;
  readonly target?: Party | undefined;
  readonly clientId?: string | undefined;
  readonly traceId?: string | undefined;
  readonly type?: string | undefined;
  readonly outcome?: string | undefined;
  /** RFC 3339, both inclusive. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
};

/** SQL over a row `e` of audit_events: the id of one party, which can be a personal value. */
type Condition = {
  readonly name: string;
  /** Column of the id, and the id. */
  readonly column: string;
  readonly id: string;
  /** What else the row has, in either case. */
  readonly kind?: string;
  /** The id as a personal value: its field, and the value. */
  readonly hidden?: { readonly field: string; readonly value: string; readonly also: string };
};

type Take = (value: unknown) => string;

function conditionsOf({ actor, target, clientId, traceId }: PartyFilter, take: Take): Condition[] {
  const found: Condition[] = [];
  if (traceId !== undefined) found.push({ name: 'Trace', column: 'trace_id', id: take(traceId) });
  if (target !== undefined) {
    const [kind, id] = [`e.target_kind = ${take(target.kind)}`, take(target.id)];
    const value = take(`${target.kind}:${target.id}`);
    const hidden = { field: 'target', value, also: 'e.target_kind IS NULL' };
    found.push({ name: 'Target', column: 'target_id', id, kind, hidden });
  }
  if (actor !== undefined) {
    const [kind, id] = [`e.actor_kind = ${take(actor.kind)}`, take(actor.id)];
    const hidden = { field: 'actor', value: id, also: `${kind} AND e.actor_id IS NULL` };
    found.push({ name: 'Actor', column: 'actor_id', id, kind, hidden });
  }
  if (clientId !== undefined) {
    const id = take(clientId);
    const hidden = { field: 'client_id', value: id, also: 'e.client_id IS NULL' };
    found.push({ name: 'Client', column: 'client_id', id, hidden });
  }
  return found;
}

const boundsOf = ({ type, outcome, from, to }: PartyFilter, take: Take): { name: string; sql: string }[] => [
  ...(type === undefined ? [] : [{ name: 'Type', sql: `e.type = ${take(type)}` }]),
  ...(outcome === undefined ? [] : [{ name: 'Outcome', sql: `e.outcome = ${take(outcome)}` }]),
  ...(from === undefined ? [] : [{ name: 'From', sql: `e.occurred_at >= ${take(from)}::timestamptz` }]),
  ...(to === undefined ? [] : [{ name: 'To', sql: `e.occurred_at <= ${take(to)}::timestamptz` }]),
];

const and = (conditions: readonly (string | undefined)[]): string =>
  conditions.map((condition) => (condition === undefined ? '' : ` AND ${condition}`)).join('');

const either = ({ column, id, kind, hidden }: Condition): string => {
  const visible = `e.${column} = ${id}${and([kind])}`;
  if (hidden === undefined) return visible;
  return `(${visible} OR (${hidden.also} AND EXISTS (SELECT FROM audit_personal h
    WHERE h.event_id = e.event_id AND h.field = '${hidden.field}' AND h.value = ${hidden.value})))`;
};

/**
 * Sequence numbers of the events that the leading condition finds, newest first. A plan made for a frequent id must not
 * read the whole log for a rare one. So rows are compared and sorted by all columns of the index, whose order no other
 * index has; and OFFSET 0 keeps the planner from beginning with the events instead of the personal values.
 */
function placesOf({ column, id, kind, hidden }: Condition, rest: string): string[] {
  const visible = `(SELECT e.seq FROM audit_events e
    WHERE e.${column} >= ${id} AND (e.${column}, e.seq) < (${id}, $1)${and([kind])}${rest}
    ORDER BY e.${column} DESC, e.seq DESC LIMIT $2)`;
  if (hidden === undefined) return [visible];
  const { field, value, also } = hidden;
  return [
    visible,
    `(SELECT p.seq FROM (SELECT seq, event_id FROM audit_personal
        WHERE field = '${field}' AND value = ${value} AND seq < $1 ORDER BY seq DESC OFFSET 0) p,
      LATERAL (SELECT FROM audit_events e WHERE e.seq = p.seq AND e.event_id = p.event_id AND ${also}${rest} OFFSET 0) e
      ORDER BY p.seq DESC LIMIT $2)`,
  ];
}

/**
 * The statement of a page, newest first by `seq`. The first condition leads: its events are read along an index in the
 * order of the list (audit_events_trace, _target, _actor or _client, and audit_personal_place for ids that are personal
 * values), and the others are compared row by row. Each set of filters has its own statement.
 */
export function partyPage(filter: PartyFilter) {
  // $1 and $2 are the place of the page and its limit.
  const values: unknown[] = [];
  const take: Take = (value) => `$${values.push(value) + 2}`;
  const [lead, ...others] = conditionsOf(filter, take);
  if (lead === undefined) throw new TypeError('a filter by actor, target, client or trace is required');
  const bounds = boundsOf(filter, take);
  const rest = and([...others.map(either), ...bounds.map(({ sql }) => sql)]);
  const names = [lead, ...others, ...bounds].map(({ name }) => name).join('');
  const statement = defineStatement(`auditEventsOf${names}`)`
    SELECT ${VIEW_COLUMNS} FROM audit_events WHERE seq IN (${placesOf(lead, rest).join(' UNION ALL ')})
    ORDER BY seq DESC LIMIT $2`;
  return { statement, values };
}

/** Events before a sequence number that fit the filter, newest first. */
export function readEventsOfParty(sql: Sql, filter: PartyFilter, beforeSeq: number, limit: number): Promise<ViewRow[]> {
  const { statement, values } = partyPage(filter);
  return sql.query(statement, [beforeSeq, limit, ...values]);
}
