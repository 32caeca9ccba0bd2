import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineAttemptEnds, type Message } from '#services/core/shared/retries.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { ALL_GROUPS, type NoticeKind } from './alert-shapes.ts';
import type { AlertDeliveryView, AlertView } from './contract.ts';
import type { TargetRow } from './targets.store.ts';

/** Notices that one statement plans for a target; the next run continues. */
const PLANNED_MAX = 20_000;

const AUDIBLE = `NOT EXISTS (SELECT FROM alert_silences s WHERE s.ended_at IS NULL
  AND s.until > clock_timestamp() AND a.labels @> s.matchers)`;

/**
 * What lasts and is not told yet, was raised since the target exists, and is not silenced. What is about the oversight is
 * told whatever a target wants, silenced or not, and though it is over or acknowledged: otherwise the person who weakened it
 * could keep it from the targets. Indexes: alerts_one_open, alerts_closing.
 */
const firingPlan = defineStatement('alertFiringPlan')`
  INSERT INTO alert_notices (target_id, alert_id, kind, grouped)
  SELECT t.id, a.id, 'firing', a.source || ':' || a.name
  FROM alert_targets t JOIN alerts a ON a.raised_at >= t.created_at AND (a.state = 'firing'
    OR a.state = 'acknowledged' AND a.source = 'oversight' OR a.is_closing AND a.source = 'oversight')
  WHERE t.id = $1
    AND (a.source = 'oversight' OR a.source = ANY (t.sources) AND a.severity = ANY (t.severities) AND ${AUDIBLE})
    AND NOT EXISTS (SELECT FROM alert_notices n WHERE n.target_id = t.id AND n.alert_id = a.id)
  ORDER BY a.seq LIMIT $2 ON CONFLICT DO NOTHING RETURNING 1`;
/** The end of what it was told. Index: alerts_closing. */
const resolvedPlan = defineStatement('alertResolvedPlan')`
  INSERT INTO alert_notices (target_id, alert_id, kind, grouped)
  SELECT $1, a.id, 'resolved', a.source || ':' || a.name
  FROM alerts a WHERE a.is_closing
    AND EXISTS (SELECT FROM alert_notices n WHERE n.target_id = $1 AND n.alert_id = a.id AND n.kind <> 'resolved')
    AND NOT EXISTS (SELECT FROM alert_notices n WHERE n.target_id = $1 AND n.alert_id = a.id AND n.kind = 'resolved')
  ORDER BY a.seq LIMIT $2 ON CONFLICT DO NOTHING RETURNING 1`;
/** Every target that was told of them knows that they are resolved. Index: alerts_closing. */
const alertsClose = defineStatement('alertsClose')`
  UPDATE alerts a SET is_closing = false WHERE is_closing AND NOT EXISTS (
    SELECT FROM alert_notices n WHERE n.alert_id = a.id AND n.kind <> 'resolved' AND NOT EXISTS (
      SELECT FROM alert_notices r WHERE r.alert_id = a.id AND r.target_id = n.target_id AND r.kind = 'resolved'))`;
/**
 * Groups with notices that wait, oldest first, except those with a message that is not accepted yet: a later message of a
 * group never overtakes an earlier one. A group gets its next message a while after the last, so that a burst is one.
 * Index: alert_notices_waiting.
 */
const groupsRead = defineStatement('alertGroupsRead')`
  SELECT grouped FROM alert_notices n WHERE target_id = $1 AND delivery_id IS NULL
    AND NOT EXISTS (SELECT FROM alert_deliveries d WHERE d.target_id = $1 AND d.kind = 'alerts'
      AND d.grouped IN (n.grouped, '${ALL_GROUPS}')
      AND (d.next_attempt_at IS NOT NULL
        OR d.grouped = n.grouped AND d.created_at > clock_timestamp() - make_interval(secs => $2)))
  GROUP BY grouped ORDER BY min(seq)`;
/** Messages of the last minute. Index: alert_deliveries_target. */
const recentCount = defineStatement('alertRecentCount')`
  SELECT count(*)::int AS recent FROM alert_deliveries
  WHERE target_id = $1 AND created_at > clock_timestamp() - interval '1 minute'`;
/** Takes every notice of the groups that waits, and counts them. Due at once: the column rounds to milliseconds, and a time rounded up is not due yet. */
const deliveryInsert = defineStatement('alertDeliveryInsert')`
  WITH taken AS (
    UPDATE alert_notices SET delivery_id = $2
    WHERE target_id = $1 AND delivery_id IS NULL AND grouped = ANY ($4) RETURNING kind
  )
  INSERT INTO alert_deliveries (id, target_id, kind, grouped, firing, resolved, next_attempt_at)
  SELECT $2, $1, 'alerts', $3, count(*) FILTER (WHERE kind <> 'resolved'), count(*) FILTER (WHERE kind = 'resolved'),
    date_trunc('milliseconds', clock_timestamp())
  FROM taken`;
/** One test waits at a time. */
const testInsert = defineStatement('alertTestInsert')`
  INSERT INTO alert_deliveries (id, target_id, kind, grouped, next_attempt_at)
  VALUES ($1, $2, 'test', 'test', date_trunc('milliseconds', clock_timestamp()))
  ON CONFLICT (target_id, grouped, kind) WHERE next_attempt_at IS NOT NULL
  DO UPDATE SET next_attempt_at = excluded.next_attempt_at RETURNING id`;
/** Leases due messages for longer than any attempt takes. Index: alert_deliveries_open. */
const deliveriesTake = defineStatement('alertDeliveriesTake')`
  WITH due AS MATERIALIZED (
    SELECT id FROM alert_deliveries WHERE target_id = $1 AND next_attempt_at <= clock_timestamp()
    ORDER BY failed_at NULLS FIRST, alert_deliveries.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
  )
  UPDATE alert_deliveries d SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
  FROM due WHERE d.id = due.id
  RETURNING d.id, d.kind, d.grouped, d.firing, d.resolved, d.mail_id, d.attempts,
    ${placeTime('d.created_at')} AS created_at,
    extract(epoch FROM clock_timestamp() - d.created_at)::float8 AS age_seconds`;
const deliverySent = defineStatement('alertDeliverySent')`
  UPDATE alert_deliveries SET sent_at = clock_timestamp(), next_attempt_at = NULL
  WHERE id = $1 AND attempts = $2 RETURNING 1`;
/** The outbox of mails has it now; it is asked after some seconds what became of the mail, which is no attempt. */
const deliveryMailed = defineStatement('alertDeliveryMailed')`
  UPDATE alert_deliveries SET mail_id = $3, attempts = attempts - $5::int,
    next_attempt_at = clock_timestamp() + make_interval(secs => $4)
  WHERE id = $1 AND attempts = $2 RETURNING 1`;
/** Indexes: alert_notices_delivery_id; of deliveries that wait there are few. */
export const messagesWait = defineQuestion(
  `EXISTS (SELECT FROM alert_notices WHERE delivery_id IS NULL)
   OR EXISTS (SELECT FROM alert_deliveries WHERE next_attempt_at IS NOT NULL)`,
);
/** In the order in which they were planned; the release before could plan the kind `escalated`. Index: alert_notices_delivery_id. */
const itemsRead = defineStatement('alertItemsRead')`
  SELECT CASE n.kind WHEN 'resolved' THEN 'resolved' ELSE 'firing' END AS kind, a.id, a.source, a.name, a.severity, a.summary, a.labels, a.count, a.state,
    ${placeTime('a.raised_at')} AS raised_at, ${placeTime('a.resolved_at')} AS resolved_at
  FROM alert_notices n JOIN alerts a ON a.id = n.alert_id WHERE n.delivery_id = $1 ORDER BY n.seq LIMIT $2`;

const DELIVERY = `id AS delivery_id, kind, grouped AS "group", firing, resolved,
  CASE WHEN sent_at IS NOT NULL THEN 'sent' WHEN next_attempt_at IS NULL THEN 'given_up' ELSE 'waiting' END AS status,
  attempts, failure, ${placeTime('created_at')} AS created_at, ${placeTime('sent_at')} AS sent_at`;
const deliveryRead = defineStatement('alertDeliveryRead', `SELECT ${DELIVERY} FROM alert_deliveries WHERE id = $1`);
/** Index: alert_deliveries_target. */
const deliveriesPage = defineStatement('alertDeliveriesPage')`
  SELECT ${DELIVERY} FROM alert_deliveries d
  WHERE target_id = $1 AND ($2::timestamptz IS NULL OR (d.created_at, d.id) < ($2, $3::uuid))
  ORDER BY d.created_at DESC, d.id DESC LIMIT $4`;

/** The log of what was sent. Index: alert_deliveries_created_at. */
export const alertDeliveryPurge = definePurge({
  table: 'alert_deliveries',
  ends: 'created_at',
  stays: `interval '90 days'`,
});

export async function planNotices(tx: Sql, { id }: Pick<TargetRow, 'id'>): Promise<number> {
  let planned = 0;
  // Ends first: what was resolved and came back is told in this order.
  for (const plan of [resolvedPlan, firingPlan]) planned += (await tx.query(plan, [id, PLANNED_MAX])).length;
  return planned;
}
export const closeAlerts = async (tx: Sql): Promise<void> => void (await tx.query(alertsClose));

export const readGroups = async (tx: Sql, targetId: string, intervalSeconds: number): Promise<string[]> =>
  (await tx.query<{ grouped: string }>(groupsRead, [targetId, intervalSeconds])).map(({ grouped }) => grouped);
export const countRecent = async (tx: Sql, targetId: string): Promise<number> =>
  (await tx.query<{ recent: number }>(recentCount, [targetId]))[0]?.recent ?? 0;
export const insertDelivery = async (
  tx: Sql,
  { id, targetId, grouped }: { readonly id: string; readonly targetId: string; readonly grouped: string },
  groups: readonly string[],
): Promise<void> => void (await tx.query(deliveryInsert, [targetId, id, grouped, groups]));
/** The id of the test that waits: this one, or an earlier one. */
export const insertTest = async (tx: Sql, id: string, targetId: string): Promise<string> =>
  (await tx.query<{ id: string }>(testInsert, [id, targetId]))[0]!.id;

export type DeliveryRow = Message & {
  readonly kind: 'alerts' | 'test';
  readonly grouped: string;
  readonly firing: number;
  readonly resolved: number;
  readonly mail_id: string | null;
  readonly created_at: string;
};
export const takeDeliveries = (
  tx: Sql,
  targetId: string,
  limit: number,
  leaseSeconds: number,
): Promise<DeliveryRow[]> => tx.query<DeliveryRow>(deliveriesTake, [targetId, limit, leaseSeconds]);
/** False if a later attempt has taken the row. */
export const markSent = async (sql: Sql, { id, attempts }: Pick<DeliveryRow, 'id' | 'attempts'>): Promise<boolean> =>
  (await sql.query(deliverySent, [id, attempts])).length > 0;
/** False if a later attempt has taken the row. @param isWaiting it only waits for the same mail */
export const markMailed = async (
  sql: Sql,
  { id, attempts }: Pick<DeliveryRow, 'id' | 'attempts'>,
  mailId: string,
  { seconds, isWaiting }: { readonly seconds: number; readonly isWaiting: boolean },
): Promise<boolean> => (await sql.query(deliveryMailed, [id, attempts, mailId, seconds, isWaiting ? 1 : 0])).length > 0;
export const { postpone: postponeDelivery, giveBack: giveBackDelivery } = defineAttemptEnds(
  'alert_deliveries',
  'alertDelivery',
  ', failed_at = clock_timestamp()',
);

export type MessageItem = Omit<AlertView, 'alert_id' | 'acknowledged_at' | 'acknowledged_by'> & {
  readonly kind: NoticeKind;
  readonly id: string;
};
export const readItems = (sql: Sql, deliveryId: string, limit: number): Promise<MessageItem[]> =>
  sql.query<MessageItem>(itemsRead, [deliveryId, limit]);

/** A delivery without its failure in words. */
export type DeliveryFacts = Omit<AlertDeliveryView, 'explanation'>;

export const readDelivery = async (sql: Sql, id: string): Promise<DeliveryFacts> =>
  (await sql.query<DeliveryFacts>(deliveryRead, [id]))[0] as DeliveryFacts;
export const readDeliveriesPage = (
  sql: Sql,
  targetId: string,
  after: readonly string[] | undefined,
  limit: number,
): Promise<DeliveryFacts[]> =>
  sql.query<DeliveryFacts>(deliveriesPage, [targetId, after?.[0] ?? null, after?.[1] ?? null, limit]);
