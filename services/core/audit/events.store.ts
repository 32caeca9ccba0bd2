import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { LeafEvent } from './log/leaf.ts';

/** A sealed event, times in RFC 3339 with microseconds. */
export type EventRow = Omit<LeafEvent, 'detail' | 'personal'> & { readonly detail: Readonly<Record<string, unknown>> };

/**
 * `disclosed`: values not erased with their salts (base64), by field: `type`, `outcome`, `actor`, `client_id`, `target` (`kind:id`, '' for
 * none), `detail.<member>`, and of further members of the detail `detail` and `names`, each a JSON object. `is_in_tree`: the tile of the log has the hash of `leaf` at the place of this row.
 */
export type ViewRow = EventRow & {
  readonly disclosed: Readonly<Record<string, readonly [value: string, salt: string]>> | null;
  readonly leaf: Buffer;
  readonly is_in_tree: boolean;
};

export const rfc3339 = (expression: string): string =>
  `to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

export const EVENT_COLUMNS = `seq, event_id, type, outcome, actor_kind, actor_id,
  target_kind, target_id, client_id, detail, trace_id,
  ${rfc3339('occurred_at')} AS occurred_at, ${rfc3339('sealed_at')} AS sealed_at`;

/**
 * Adds the personal values that are not erased, and whether the tree has the leaf: two primary-key lookups and one hash
 * for each event, besides the few rows of audit_log.
 */
export const VIEW_COLUMNS = `${EVENT_COLUMNS}, leaf,
  (SELECT jsonb_object_agg(field, jsonb_build_array(value, encode(salt, 'base64'))) FROM audit_personal p
    WHERE p.event_id = audit_events.event_id AND (field IN ('type', 'outcome', 'actor', 'client_id', 'target', 'detail', 'names') OR field LIKE 'detail.%')) AS disclosed,
  EXISTS (SELECT FROM audit_log log, LATERAL (SELECT hashes FROM audit_tiles t WHERE t.origin = log.origin AND t.level = 0
        AND t.n = (audit_events.seq - log.first_seq) / 256 OFFSET 0) tile
    WHERE audit_events.seq >= log.first_seq AND audit_events.seq < log.first_seq + log.size
      AND substring(tile.hashes FROM ((audit_events.seq - log.first_seq) % 256)::int * 32 + 1 FOR 32)
        = sha256('\\x00'::bytea || audit_events.leaf)) AS is_in_tree`;

/** Scans the primary key backwards. */
export const auditEventsBefore = defineStatement('auditEventsBefore')`
  SELECT ${VIEW_COLUMNS} FROM audit_events WHERE seq < $1 ORDER BY seq DESC LIMIT $2`;

/** Scans audit_events_type backwards. */
export const auditEventsBeforeOfType = defineStatement('auditEventsBeforeOfType')`
  SELECT ${VIEW_COLUMNS} FROM audit_events WHERE type = $3 AND seq < $1 ORDER BY seq DESC LIMIT $2`;

/** Scans audit_events_occurred_at backwards, so every page costs the same. Both ends inclusive. */
export const auditEventsBetween = defineStatement('auditEventsBetween')`
  SELECT ${VIEW_COLUMNS} FROM audit_events
  WHERE occurred_at >= $1 AND occurred_at <= $2 AND (occurred_at, seq) < ($3, $4)
  ORDER BY audit_events.occurred_at DESC, seq DESC LIMIT $5`;

/** Like `auditEventsBetween`; for a rare type the planner uses audit_events_type. */
export const auditEventsBetweenOfType = defineStatement('auditEventsBetweenOfType')`
  SELECT ${VIEW_COLUMNS} FROM audit_events
  WHERE occurred_at >= $1 AND occurred_at <= $2 AND (occurred_at, seq) < ($3, $4) AND type = $6
  ORDER BY audit_events.occurred_at DESC, seq DESC LIMIT $5`;

/**
 * Events with an outcome, and of one type if `types` is that. Scans audit_events_outcome backwards, once for each type that
 * has the outcome and up to the limit: no other event is read, however rare the outcome is among those of its type.
 */
const eventsOfOutcome = (types: string) =>
  `WITH RECURSIVE types AS (${types}) SELECT ${VIEW_COLUMNS} FROM audit_events WHERE seq IN (
     SELECT e.seq FROM types, LATERAL (SELECT a.seq, a.occurred_at FROM audit_events a WHERE a.outcome = $6
       AND a.type = types.type AND a.occurred_at >= $1 AND a.occurred_at <= $2 AND (a.occurred_at, a.seq) < ($3, $4)
       ORDER BY a.outcome DESC, a.type DESC, a.occurred_at DESC, a.seq DESC LIMIT $5) e
     ORDER BY e.occurred_at DESC, e.seq DESC LIMIT $5) ORDER BY audit_events.occurred_at DESC, seq DESC`;
export const auditEventsOfOutcome = defineStatement(
  'auditEventsOfOutcome',
  // No other index has this order, so each type costs one look-up.
  eventsOfOutcome(`SELECT '' AS type UNION ALL SELECT later.type FROM types, LATERAL (SELECT a.outcome, a.type FROM audit_events a
     WHERE (a.outcome, a.type) > ($6, types.type) ORDER BY a.outcome, a.type LIMIT 1) later WHERE later.outcome = $6`),
);
export const auditEventsOfOutcomeAndType = defineStatement(
  'auditEventsOfOutcomeAndType',
  eventsOfOutcome('SELECT $7::text AS type'),
);

const auditEventsAfter = defineStatement('auditEventsAfter')`
  SELECT ${VIEW_COLUMNS} FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2`;

/** Scans audit_events_type once for each type, up to the limit. */
const auditEventsAfterOfTypes = defineStatement('auditEventsAfterOfTypes')`
  SELECT found.* FROM unnest($1::text[]) AS wanted, LATERAL (
    SELECT ${VIEW_COLUMNS} FROM audit_events WHERE type = wanted AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4) found
  ORDER BY found.seq LIMIT $4`;

/** Reads the index by type. `active` is the member of summaries of validations; other events have none. */
const auditEventsCount = defineStatement('auditEventsCount')`
  SELECT ${placeTime(`date_trunc('hour', occurred_at)`)} AS hour, type, outcome, count(*)::int AS events,
    coalesce(sum((detail ->> 'active')::bigint), 0)::bigint AS active
  FROM unnest($1::text[]) AS wanted JOIN audit_events ON type = wanted AND seq > $2 AND seq <= $3
  GROUP BY 1, 2, 3`;

/** `seq` of the newest sealed event: the last entry of the primary key. Also in the questions of jobs that follow the log. */
export const NEWEST_SEQ = '(SELECT coalesce(max(seq), -1) FROM audit_events)';
/** When the newest event was sealed: by the primary key. */
export const NEWEST_SEALED_AT = '(SELECT sealed_at FROM audit_events ORDER BY seq DESC LIMIT 1)';
const auditEventsNewest = defineStatement('auditEventsNewest', `SELECT ${NEWEST_SEQ} AS seq`);

/** Joins the log whose range of sequence numbers contains the event. */
const auditEventRead = defineStatement('auditEventRead')`
  SELECT ${VIEW_COLUMNS}, log.origin, seq - log.first_seq AS index
  FROM audit_events, LATERAL (
    SELECT origin, first_seq FROM audit_log WHERE first_seq <= seq ORDER BY first_seq DESC, started_at DESC LIMIT 1) log
  WHERE seq = $1`;

const auditPersonalRead = defineStatement('auditPersonalRead')`
  SELECT field, encode(salt, 'base64') AS salt, value FROM audit_personal WHERE event_id = $1 ORDER BY field`;

type PlacedEventRow = ViewRow & { readonly origin: string; readonly index: number };
export type PersonalRow = { readonly field: string; readonly salt: string; readonly value: string };

export type EventFilter = {
  readonly type: string | undefined;
  readonly outcome: string | undefined;
  /** RFC 3339, both inclusive; always given with an outcome. */
  readonly between: { readonly from: string; readonly to: string } | undefined;
};
/** The last event of the previous page. */
export type EventPlace = { readonly seq: number; readonly occurred_at: string };

/** Before the first page. */
export const FIRST_PLACE: EventPlace = { seq: Number.MAX_SAFE_INTEGER, occurred_at: 'infinity' };

/** A page of the list, newest first. */
export function readEventsPage(
  sql: Sql,
  { type, outcome, between }: EventFilter,
  before: EventPlace,
  limit: number,
): Promise<ViewRow[]> {
  const ofType = type === undefined ? [] : [type];
  if (between === undefined)
    return sql.query(type === undefined ? auditEventsBefore : auditEventsBeforeOfType, [before.seq, limit, ...ofType]);
  const place = [between.from, between.to, before.occurred_at, before.seq, limit];
  if (outcome === undefined)
    return sql.query(type === undefined ? auditEventsBetween : auditEventsBetweenOfType, [...place, ...ofType]);
  return sql.query(type === undefined ? auditEventsOfOutcome : auditEventsOfOutcomeAndType, [
    ...place,
    outcome,
    ...ofType,
  ]);
}

export const readEventsAfter = (sql: Sql, seq: number, limit: number): Promise<ViewRow[]> =>
  sql.query(auditEventsAfter, [seq, limit]);

export const readEventsOfTypes = (
  sql: Sql,
  types: readonly string[],
  range: { readonly after: number; readonly upTo: number },
  limit: number,
): Promise<ViewRow[]> => sql.query(auditEventsAfterOfTypes, [types, range.after, range.upTo, limit]);

export type EventCount = {
  /** RFC 3339. */
  readonly hour: string;
  readonly type: string;
  readonly outcome: string;
  readonly events: number;
  /** Sum of `detail.active`. */
  readonly active: number;
};

export const readEventCounts = (
  sql: Sql,
  types: readonly string[],
  range: { readonly after: number; readonly upTo: number },
): Promise<EventCount[]> => sql.query(auditEventsCount, [types, range.after, range.upTo]);

export async function readNewestSeq(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ seq: number }>(auditEventsNewest);
  return row?.seq ?? -1;
}

export async function readPlacedEvent(sql: Sql, seq: number): Promise<PlacedEventRow | null> {
  const [row] = await sql.query<PlacedEventRow>(auditEventRead, [seq]);
  return row ?? null;
}

export const readPersonal = (sql: Sql, eventId: string): Promise<PersonalRow[]> =>
  sql.query(auditPersonalRead, [eventId]);
