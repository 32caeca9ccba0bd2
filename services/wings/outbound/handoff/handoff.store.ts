import { NEWEST_SEQ } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { type Circuit, defineCircuit, defineRetries, type Message } from '#services/core/shared/retries.store.ts';
import { defineQuestion, type Question } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type EndpointRow = Circuit & { readonly reached_seq: number; readonly waiting: number };

export type DeliveryRow = Message & { readonly seq: number };

/** A new endpoint gets events from now on. */
const endpointInsert = defineStatement('handoffEndpointInsert')`
  INSERT INTO handoff_endpoints (name, reached_seq) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
/** Locks the row, so that two runs plan and settle one after the other. Waiting rows by index handoff_deliveries_waiting: at most 1,000. */
const endpointLock = defineStatement('handoffEndpointLock')`
  SELECT reached_seq::float8 AS reached_seq, failures, coalesce(open_until > clock_timestamp(), false) AS is_open,
    (SELECT count(*)::int FROM handoff_deliveries WHERE endpoint = name AND next_attempt_at IS NOT NULL) AS waiting
  FROM handoff_endpoints WHERE name = $1 FOR UPDATE`;
const endpointAdvance = defineStatement('handoffEndpointAdvance')`
  UPDATE handoff_endpoints SET reached_seq = $2, followed_at = clock_timestamp()
  WHERE name = $1 AND (reached_seq < $2 OR followed_at < clock_timestamp() - interval '1 hour')`;
/** Due at once: the column rounds to milliseconds, and a time rounded up is not due yet. */
const deliveriesInsert = defineStatement('handoffDeliveriesInsert')`
  INSERT INTO handoff_deliveries (id, endpoint, seq, subject, next_attempt_at)
  SELECT id, $1, seq, subject, date_trunc('milliseconds', clock_timestamp())
  FROM unnest($2::uuid[], $3::bigint[], $4::text[]) AS v(id, seq, subject)
  ON CONFLICT DO NOTHING`;
/**
 * Keeps of each subject whose first event has failed only that row: the later ones are read from the log again once it is
 * accepted or given up, so however many events a failing subject has, it takes the place of one. A replayed row stays, as
 * later events of its subject were sent before. Indexes: handoff_deliveries_waiting, handoff_deliveries_subject.
 */
const subjectsPark = defineStatement('handoffSubjectsPark')`
  WITH failing AS (
    SELECT DISTINCT ON (subject) subject, seq FROM handoff_deliveries
    WHERE endpoint = $1 AND next_attempt_at IS NOT NULL AND failed_at IS NOT NULL ORDER BY subject, seq
  ), parked AS (
    DELETE FROM handoff_deliveries d USING failing f
    WHERE d.endpoint = $1 AND d.subject = f.subject AND d.seq > f.seq AND d.next_attempt_at IS NOT NULL
      AND d.attempts = 0 AND d.failed_at IS NULL
    RETURNING d.subject, d.seq
  ), marked AS (
    INSERT INTO handoff_parked AS known (endpoint, subject, after_seq)
    SELECT $1, subject, min(seq) - 1 FROM parked GROUP BY subject
    ON CONFLICT (endpoint, subject) DO UPDATE SET after_seq = least(known.after_seq, excluded.after_seq)
  )
  SELECT count(*)::int AS freed FROM parked`;
/** By the primary key and index handoff_deliveries_subject: whose events are not planned now, and whose are due for it. */
const parkedRead = defineStatement('handoffParkedRead')`
  SELECT subject, p.after_seq::float8 AS after_seq, NOT EXISTS (SELECT FROM handoff_deliveries d
      WHERE d.endpoint = $1 AND d.subject = p.subject AND d.next_attempt_at IS NOT NULL) AS is_free
  FROM handoff_parked p WHERE endpoint = $1
  UNION ALL
  SELECT DISTINCT subject, NULL::float8, false FROM handoff_deliveries d
  WHERE endpoint = $1 AND next_attempt_at IS NOT NULL AND failed_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM handoff_parked p WHERE p.endpoint = $1 AND p.subject = d.subject)`;
const parkedInsert = defineStatement('handoffParkedInsert')`
  INSERT INTO handoff_parked (endpoint, subject, after_seq)
  SELECT $1, subject, seq - 1 FROM unnest($2::text[], $3::bigint[]) AS v(subject, seq) ON CONFLICT DO NOTHING`;
/** The log was searched up to $3 for events of these subjects; up to $4, the end of what was planned, none is missing. */
const parkedAdvance = defineStatement('handoffParkedAdvance')`
  WITH ended AS (DELETE FROM handoff_parked WHERE endpoint = $1 AND subject = ANY ($2) AND $3::bigint >= $4::bigint)
  UPDATE handoff_parked SET after_seq = $3
  WHERE endpoint = $1 AND subject = ANY ($2) AND after_seq < $3::bigint AND $3::bigint < $4::bigint`;
/**
 * Leases due rows for longer than any attempt takes: of each subject only the first that waits, and none while another
 * one is leased (attempted, without a failure yet), so that no event overtakes an earlier one and a replayed one is not
 * sent beside a later one. Those that never failed come first, and of the others the one that waits the longest, so that
 * events which always fail do not use up the single attempts at an endpoint that seems down. Indexes:
 * handoff_deliveries_waiting, handoff_deliveries_subject.
 */
const deliveriesTake = defineStatement('handoffDeliveriesTake')`
  WITH due AS MATERIALIZED (
    SELECT id FROM handoff_deliveries d WHERE endpoint = $1 AND next_attempt_at <= clock_timestamp()
      AND NOT EXISTS (SELECT FROM handoff_deliveries e WHERE e.endpoint = d.endpoint AND e.subject = d.subject
                      AND e.next_attempt_at IS NOT NULL AND (e.seq < d.seq
                        OR (e.seq > d.seq AND e.attempts > 0 AND e.failure IS NULL AND e.next_attempt_at > clock_timestamp())))
    ORDER BY failed_at NULLS FIRST, seq LIMIT $2 FOR UPDATE SKIP LOCKED
  )
  UPDATE handoff_deliveries t SET attempts = attempts + 1, failure = NULL, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
  FROM due WHERE t.id = due.id
  RETURNING t.id, t.seq::float8 AS seq, t.attempts,
    extract(epoch FROM clock_timestamp() - t.created_at)::float8 AS age_seconds`;
/** Indexes: handoff_deliveries_waiting, handoff_parked_pkey. */
export const handoffsAreDue = (endpoints: readonly string[]): Question =>
  defineQuestion(
    `EXISTS (SELECT FROM handoff_endpoints e WHERE name = ANY ($1) AND coalesce(open_until <= clock_timestamp(), true)
       AND (reached_seq < ${NEWEST_SEQ}
         OR EXISTS (SELECT FROM handoff_deliveries d WHERE d.endpoint = e.name AND d.next_attempt_at <= clock_timestamp())
         OR EXISTS (SELECT FROM handoff_parked p WHERE p.endpoint = e.name)))`,
    endpoints,
  );

/** Names of streams begin with `ssf-`. Index: handoff_deliveries_waiting. */
export const deliveriesWait = (begins: 'LIKE' | 'NOT LIKE'): Question =>
  defineQuestion(
    `EXISTS (SELECT FROM handoff_deliveries WHERE next_attempt_at IS NOT NULL AND endpoint ${begins} 'ssf-%')`,
  );

/** Indexes: handoff_deliveries_waiting; handoff_deliveries_given_up, of which there are few. */
const queuesCount = defineStatement('handoffQueuesCount')`
  SELECT name, reached_seq::float8 AS reached_seq,
    (SELECT count(*)::int FROM handoff_deliveries WHERE endpoint = name AND next_attempt_at IS NOT NULL) AS waiting,
    (SELECT count(*)::int FROM handoff_deliveries WHERE endpoint = name AND next_attempt_at IS NULL) AS given_up
  FROM handoff_endpoints WHERE name = ANY ($1)`;

/** For a receiver that asks. Index: handoff_deliveries_waiting. */
const deliveriesPeek = defineStatement('handoffDeliveriesPeek')`
  SELECT id, seq::float8 AS seq FROM handoff_deliveries WHERE endpoint = $1 AND next_attempt_at IS NOT NULL
  ORDER BY seq LIMIT $2`;
const deliveriesAcknowledge = defineStatement('handoffDeliveriesAcknowledge')`
  DELETE FROM handoff_deliveries WHERE endpoint = $1 AND id = ANY ($2::uuid[]) AND next_attempt_at IS NOT NULL`;
const deliveryRefuse = defineStatement('handoffDeliveryRefuse')`
  UPDATE handoff_deliveries SET next_attempt_at = NULL, attempts = attempts + 1, failure = $3, failed_at = clock_timestamp()
  WHERE endpoint = $1 AND id = $2 AND next_attempt_at IS NOT NULL`;
const endpointDelete = defineStatement('handoffEndpointDelete', 'DELETE FROM handoff_endpoints WHERE name = $1');

/** Index of what waits: handoff_deliveries_waiting. */
export const endpointCircuit = defineCircuit('handoffEndpoint', {
  table: 'handoff_endpoints',
  key: 'name',
  queue: 'handoff_deliveries',
  of: 'endpoint',
});

/** Dead letters are kept for this time; rows that are still retried are younger. Index: handoff_deliveries_created_at. */
export const handoffDeliveryPurge = definePurge({
  table: 'handoff_deliveries',
  ends: 'created_at',
  stays: `interval '14 days'`,
});
/** An endpoint that is configured again after this time is a new one. Index: handoff_endpoints_followed_at. */
export const handoffEndpointPurge = definePurge({
  table: 'handoff_endpoints',
  id: 'name',
  ends: 'followed_at',
  stays: `interval '14 days'`,
});

export const insertEndpoint = async (tx: Sql, name: string, reachedSeq: number): Promise<void> => {
  await tx.query(endpointInsert, [name, reachedSeq]);
};
export const lockEndpoint = async (tx: Sql, name: string): Promise<EndpointRow | undefined> =>
  (await tx.query<EndpointRow>(endpointLock, [name]))[0];
export const advanceEndpoint = async (tx: Sql, name: string, reachedSeq: number): Promise<void> => {
  await tx.query(endpointAdvance, [name, reachedSeq]);
};
export type NewDelivery = { readonly id: string; readonly seq: number; readonly subject: string };
export const insertDeliveries = async (tx: Sql, endpoint: string, rows: readonly NewDelivery[]): Promise<void> => {
  await tx.query(deliveriesInsert, [
    endpoint,
    rows.map(({ id }) => id),
    rows.map(({ seq }) => seq),
    rows.map(({ subject }) => subject),
  ]);
};
export type ParkedSubject = {
  readonly subject: string;
  /** Its events after this one are searched in the log; null if none was met since its first event failed. */
  readonly after_seq: number | null;
  /** Whether none of its events waits, so that the next one may. */
  readonly is_free: boolean;
};
/** Removes the rows behind failed ones, and returns how many; and the subjects whose events are not planned in the order of the log. */
export async function parkFailingSubjects(
  tx: Sql,
  endpoint: string,
): Promise<{ readonly freed: number; readonly parked: ParkedSubject[] }> {
  const [{ freed }] = (await tx.query<{ freed: number }>(subjectsPark, [endpoint])) as [{ freed: number }];
  return { freed, parked: await tx.query<ParkedSubject>(parkedRead, [endpoint]) };
}
export const insertParked = async (
  tx: Sql,
  endpoint: string,
  firsts: readonly Pick<NewDelivery, 'subject' | 'seq'>[],
): Promise<void> => {
  await tx.query(parkedInsert, [endpoint, firsts.map(({ subject }) => subject), firsts.map(({ seq }) => seq)]);
};
/** @param upTo the end of what was planned: subjects that reached it are planned in the order of the log again */
export const advanceParked = async (
  tx: Sql,
  endpoint: string,
  subjects: readonly string[],
  searchedSeq: number,
  upTo: number,
): Promise<void> => {
  await tx.query(parkedAdvance, [endpoint, subjects, searchedSeq, upTo]);
};

export const takeDeliveries = (
  tx: Sql,
  endpoint: string,
  limit: number,
  leaseSeconds: number,
): Promise<DeliveryRow[]> => tx.query<DeliveryRow>(deliveriesTake, [endpoint, limit, leaseSeconds]);

export type QueueCount = {
  readonly name: string;
  readonly reached_seq: number;
  readonly waiting: number;
  readonly given_up: number;
};
export const countQueues = (sql: Sql, names: readonly string[]): Promise<QueueCount[]> =>
  sql.query<QueueCount>(queuesCount, [names]);

export type WaitingDelivery = { readonly id: string; readonly seq: number };
export const peekDeliveries = (tx: Sql, endpoint: string, limit: number): Promise<WaitingDelivery[]> =>
  tx.query<WaitingDelivery>(deliveriesPeek, [endpoint, limit]);
export const acknowledgeDeliveries = async (tx: Sql, endpoint: string, ids: readonly string[]): Promise<void> =>
  void (await tx.query(deliveriesAcknowledge, [endpoint, ids]));
export const refuseDelivery = async (tx: Sql, endpoint: string, id: string, code: string): Promise<void> =>
  void (await tx.query(deliveryRefuse, [endpoint, id, code]));
export const deleteEndpoint = async (tx: Sql, name: string): Promise<void> =>
  void (await tx.query(endpointDelete, [name]));

type Pushed = { readonly endpoint: string; readonly seq: number };
/** Index: handoff_deliveries_given_up. */
export const {
  remove: deleteDelivery,
  postpone: postponeDelivery,
  giveBack: giveBackDelivery,
  ...deliveryRetries
} = defineRetries<Pushed>(
  'handoff_deliveries',
  { one: 'handoffDelivery', many: 'handoffDeliveries' },
  ', endpoint, seq::float8 AS seq',
);
