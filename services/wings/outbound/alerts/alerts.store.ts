import { NEWEST_SEQ } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import type { Severity } from '#services/core/security/incident-shapes.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { selectOf } from '#services/platform/define/record.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AlertSource, AlertState } from './alert-shapes.ts';
import { type AlertView, alertView } from './contract.ts';

/** What a source reports: a cause that begins or still lasts. */
export type NewAlert = {
  readonly id: string;
  readonly source: AlertSource;
  /** Identifies the cause within its source. */
  readonly cause: string;
  readonly name: string;
  readonly severity: Severity;
  readonly summary: string;
  readonly labels: Readonly<Record<string, string>>;
};

const ALERT = selectOf(alertView.shape, {
  alert_id: 'id',
  raised_at: placeTime('raised_at'),
  acknowledged_at: placeTime('acknowledged_at'),
  resolved_at: placeTime('resolved_at'),
});

/** alerts_one_open allows one alert of a cause until it is resolved: later reports are counted. In the order of causes, so that two do not lock each other out. */
const alertsRaise = defineStatement('alertsRaise')`
  WITH given AS MATERIALIZED (
    SELECT DISTINCT ON (source, cause) * FROM
      unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
        AS v(id, source, cause, name, severity, summary, labels)
    ORDER BY source, cause
  )
  INSERT INTO alerts AS known (id, source, cause, name, severity, summary, labels) SELECT * FROM given
  ON CONFLICT (source, cause) WHERE state <> 'resolved'
  DO UPDATE SET count = known.count + 1
  RETURNING name, count = 1 AS is_new`;
/** Index: alerts_one_open. */
const alertsResolve = defineStatement('alertsResolve')`
  UPDATE alerts SET state = 'resolved', resolved_at = clock_timestamp(), is_closing = true
  WHERE source = $1 AND cause = ANY ($2) AND state <> 'resolved' RETURNING name`;
/** Of silences that have ended, by a person or by themselves. Index: alerts_one_open. */
const alertsResolveSilences = defineStatement('alertsResolveSilences')`
  UPDATE alerts a SET state = 'resolved', resolved_at = clock_timestamp(), is_closing = true
  FROM alert_silences s WHERE a.source = 'oversight' AND a.cause = s.id::text AND a.state <> 'resolved'
    AND (s.ended_at IS NOT NULL OR s.until <= clock_timestamp())`;
/** Index: alerts_one_open. */
const alertsAcknowledge = defineStatement('alertsAcknowledge')`
  UPDATE alerts SET state = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = $3
  WHERE source = $1 AND cause = ANY ($2) AND state = 'firing'`;
const alertLock = defineStatement('alertLock', 'SELECT state FROM alerts WHERE id = $1 FOR UPDATE');
const alertChange = defineStatement('alertChange')`
  UPDATE alerts SET state = $2, is_closing = $2 = 'resolved',
    acknowledged_at = CASE $2 WHEN 'acknowledged' THEN clock_timestamp() ELSE acknowledged_at END,
    acknowledged_by = CASE $2 WHEN 'acknowledged' THEN $3 ELSE acknowledged_by END,
    resolved_at = CASE $2 WHEN 'resolved' THEN clock_timestamp() END
  WHERE id = $1 RETURNING ${ALERT}`;
/** Index: alerts_raised_at. */
const alertsPage = defineStatement('alertsPage')`
  SELECT ${ALERT} FROM alerts
  WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR source = $2)
    AND ($3::timestamptz IS NULL OR (raised_at, id) < ($3, $4::uuid))
  ORDER BY alerts.raised_at DESC, id DESC LIMIT $5`;
/** Locked: two runs read the log one after the other. */
const progressLock = defineStatement('alertProgressLock', 'SELECT seq::float8 AS seq FROM alert_progress FOR UPDATE');
const progressInsert = defineStatement('alertProgressInsert')`
  INSERT INTO alert_progress (seq) VALUES ($1) ON CONFLICT DO NOTHING`;
const progressAdvance = defineStatement('alertProgressAdvance', 'UPDATE alert_progress SET seq = $1');

/**
 * The log has news, or something may be planned or sent: while an alert fires, what its targets get depends on silences, which
 * end by themselves. Indexes: alerts_one_open, alerts_closing, alert_notices_waiting, alert_deliveries_open.
 */
export const alertsAreDue = defineQuestion(
  `${NEWEST_SEQ} > coalesce((SELECT seq FROM alert_progress), -2)
   OR EXISTS (SELECT FROM alerts WHERE state <> 'resolved' AND state = 'firing' AND (source = 'oversight' OR EXISTS (SELECT FROM alert_targets)))
   OR EXISTS (SELECT FROM alerts WHERE is_closing)
   OR EXISTS (SELECT FROM alert_notices WHERE delivery_id IS NULL)
   OR EXISTS (SELECT FROM alert_deliveries WHERE next_attempt_at <= clock_timestamp())`,
);

/** Resolved ones go after half a year, with what was told of them. Index: alerts_resolved_at. */
export const alertPurge = definePurge({
  table: 'alerts',
  ends: 'resolved_at',
  stays: `interval '180 days'`,
  where: `state = 'resolved'`,
});

/** Names of those that are new; the others lasted already. */
export async function raiseAlertRows(tx: Sql, alerts: readonly NewAlert[]): Promise<string[]> {
  if (alerts.length === 0) return [];
  const rows = await tx.query<{ name: string; is_new: boolean }>(alertsRaise, [
    alerts.map(({ id }) => id),
    alerts.map(({ source }) => source),
    alerts.map(({ cause }) => cause),
    alerts.map(({ name }) => name),
    alerts.map(({ severity }) => severity),
    alerts.map(({ summary }) => summary),
    alerts.map(({ labels }) => JSON.stringify(labels)),
  ]);
  return rows.filter(({ is_new: isNew }) => isNew).map(({ name }) => name);
}
/** Names of those that were resolved. */
export async function resolveAlertRows(tx: Sql, source: AlertSource, causes: readonly string[]): Promise<string[]> {
  if (causes.length === 0) return [];
  const rows = await tx.query<{ name: string }>(alertsResolve, [source, causes]);
  return rows.map(({ name }) => name);
}
export const resolveSilenceAlerts = async (tx: Sql): Promise<void> => void (await tx.query(alertsResolveSilences));
export const acknowledgeAlertRows = async (
  tx: Sql,
  source: AlertSource,
  causes: readonly string[],
  by: string | null,
): Promise<void> => void (await tx.query(alertsAcknowledge, [source, causes, by]));

export const lockAlert = async (tx: Sql, id: string): Promise<AlertState | undefined> =>
  (await tx.query<{ state: AlertState }>(alertLock, [id]))[0]?.state;
export const changeAlertRow = async (
  tx: Sql,
  id: string,
  state: Exclude<AlertState, 'firing'>,
  by: string,
): Promise<AlertView> => (await tx.query<AlertView>(alertChange, [id, state, by]))[0] as AlertView;

export const readAlertsPage = (
  sql: Sql,
  filter: { readonly state?: string | undefined; readonly source?: string | undefined },
  after: readonly string[] | undefined,
  limit: number,
): Promise<AlertView[]> =>
  sql.query<AlertView>(alertsPage, [
    filter.state ?? null,
    filter.source ?? null,
    after?.[0] ?? null,
    after?.[1] ?? null,
    limit,
  ]);

/** Undefined before the first run. */
export const lockProgress = async (tx: Sql): Promise<number | undefined> =>
  (await tx.query<{ seq: number }>(progressLock))[0]?.seq;
export const beginProgress = async (tx: Sql, seq: number): Promise<void> =>
  void (await tx.query(progressInsert, [seq]));
export const advanceProgress = async (tx: Sql, seq: number): Promise<void> =>
  void (await tx.query(progressAdvance, [seq]));
