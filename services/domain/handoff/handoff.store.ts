import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge } from '../shared/purge.store.ts';
import { defineRetries, type GivenUp } from '../shared/retries.store.ts';

export type EndpointRow = {
  readonly reachedSeq: number;
  /** Failed batches in a row. */
  readonly failures: number;
  /** Whether nothing may be sent now, because the endpoint failed repeatedly. */
  readonly isOpen: boolean;
  readonly waiting: number;
};

/** One attempt to send an event. */
export type DeliveryRow = {
  readonly id: string;
  readonly seq: number;
  /** Number of attempts, including the current one. */
  readonly attempts: number;
  /** Seconds since the delivery was planned. */
  readonly ageSeconds: number;
};

/** A new endpoint gets events from now on. */
const endpointInsert = defineStatement(
  'handoffEndpointInsert',
  'INSERT INTO handoff_endpoints (name, reached_seq) VALUES ($1, $2) ON CONFLICT DO NOTHING',
);
/** Locks the row, so that two runs plan and settle one after the other. Waiting rows by index handoff_deliveries_waiting: at most 1,000. */
const endpointLock = defineStatement(
  'handoffEndpointLock',
  `SELECT reached_seq::float8 AS "reachedSeq", failures, coalesce(open_until > clock_timestamp(), false) AS "isOpen",
     (SELECT count(*)::int FROM handoff_deliveries WHERE endpoint = name AND next_attempt_at IS NOT NULL) AS waiting
   FROM handoff_endpoints WHERE name = $1 FOR UPDATE`,
);
const endpointAdvance = defineStatement(
  'handoffEndpointAdvance',
  `UPDATE handoff_endpoints SET reached_seq = $2, followed_at = clock_timestamp()
   WHERE name = $1 AND (reached_seq < $2 OR followed_at < clock_timestamp() - interval '1 hour')`,
);
const endpointFail = defineStatement(
  'handoffEndpointFail',
  `UPDATE handoff_endpoints SET failures = failures + 1, open_until = clock_timestamp() + make_interval(secs => $2)
   WHERE name = $1`,
);
const endpointRecover = defineStatement(
  'handoffEndpointRecover',
  'UPDATE handoff_endpoints SET failures = 0, open_until = NULL WHERE name = $1 AND failures > 0 RETURNING 1',
);
const deliveriesInsert = defineStatement(
  'handoffDeliveriesInsert',
  `INSERT INTO handoff_deliveries (id, endpoint, seq, subject)
   SELECT id, $1, seq, subject FROM unnest($2::uuid[], $3::bigint[], $4::text[]) AS v(id, seq, subject)
   ON CONFLICT DO NOTHING`,
);
/**
 * Leases due rows for longer than any attempt takes: of each subject only the first that waits, and none while another
 * one is leased (attempted, without a failure yet), so that no event overtakes an earlier one and a replayed one is not
 * sent beside a later one. Indexes: handoff_deliveries_waiting, handoff_deliveries_subject.
 */
const deliveriesTake = defineStatement(
  'handoffDeliveriesTake',
  `WITH due AS MATERIALIZED (
     SELECT id FROM handoff_deliveries d WHERE endpoint = $1 AND next_attempt_at <= clock_timestamp()
       AND NOT EXISTS (SELECT FROM handoff_deliveries e WHERE e.endpoint = d.endpoint AND e.subject = d.subject
                       AND e.next_attempt_at IS NOT NULL AND (e.seq < d.seq
                         OR (e.seq > d.seq AND e.attempts > 0 AND e.failure IS NULL AND e.next_attempt_at > clock_timestamp())))
     ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED
   )
   UPDATE handoff_deliveries t SET attempts = attempts + 1, failure = NULL, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
   FROM due WHERE t.id = due.id
   RETURNING t.id, t.seq::float8 AS seq, t.attempts,
     extract(epoch FROM clock_timestamp() - t.created_at)::float8 AS "ageSeconds"`,
);
/** The endpoint is up again: what failed while it was down does not wait any longer. Leased rows stay leased. Index: handoff_deliveries_waiting. */
const deliveriesHasten = defineStatement(
  'handoffDeliveriesHasten',
  `UPDATE handoff_deliveries SET next_attempt_at = clock_timestamp()
   WHERE endpoint = $1 AND next_attempt_at > clock_timestamp() AND failure IS NOT NULL`,
);

/** Dead letters are kept for this time; rows that are still retried are younger. Index: handoff_deliveries_created_at. */
export const handoffDeliveryPurge = definePurge({
  kind: 'handoff_deliveries',
  table: 'handoff_deliveries',
  id: 'id',
  ends: 'created_at',
  stays: `interval '14 days'`,
});
/** An endpoint that is configured again after this time is a new one. Index: handoff_endpoints_followed_at. */
export const handoffEndpointPurge = definePurge({
  kind: 'handoff_endpoints',
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
/** @param pauseSeconds nothing is sent for this time */
export const failEndpoint = async (sql: Sql, name: string, pauseSeconds: number): Promise<void> => {
  await sql.query(endpointFail, [name, pauseSeconds]);
};
/** False if it had not failed. */
export const recoverEndpoint = async (sql: Sql, name: string): Promise<boolean> =>
  (await sql.query(endpointRecover, [name])).length === 1;

export type NewDelivery = { readonly id: string; readonly seq: number; readonly subject: string };
export const insertDeliveries = async (tx: Sql, endpoint: string, rows: readonly NewDelivery[]): Promise<void> => {
  await tx.query(deliveriesInsert, [
    endpoint,
    rows.map(({ id }) => id),
    rows.map(({ seq }) => seq),
    rows.map(({ subject }) => subject),
  ]);
};
export const takeDeliveries = (
  tx: Sql,
  endpoint: string,
  limit: number,
  leaseSeconds: number,
): Promise<DeliveryRow[]> => tx.query<DeliveryRow>(deliveriesTake, [endpoint, limit, leaseSeconds]);

export const hastenDeliveries = async (sql: Sql, endpoint: string): Promise<void> => {
  await sql.query(deliveriesHasten, [endpoint]);
};

/** The event of a delivery. */
type Pushed = { readonly endpoint: string; readonly seq: number };
export type GivenUpRow = GivenUp & Pushed;
/** Index: handoff_deliveries_given_up. */
export const {
  remove: deleteDelivery,
  postpone: postponeDelivery,
  readGivenUp: readGivenUpDeliveries,
  countGivenUp: countGivenUpDeliveries,
  requeue: requeueDelivery,
} = defineRetries<Pushed>(
  'handoff_deliveries',
  { one: 'handoffDelivery', many: 'handoffDeliveries' },
  ', endpoint, seq::float8 AS seq',
);
