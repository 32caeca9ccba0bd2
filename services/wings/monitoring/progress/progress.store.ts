import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineQuestion, type Question } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type Facts = Readonly<Record<string, unknown>>;
type State = {
  readonly measured: Facts | null;
  readonly measured_at: string | null;
  readonly reported: Facts | null;
  readonly reported_at: string | null;
};
export type ComponentRow = {
  readonly component: string;
  readonly status: string;
  readonly percent: number;
  readonly coverage: number | null;
  readonly security_score: number | null;
  readonly at: string;
};
export type AuthenticationRow = { readonly event: string; readonly current_hour: number; readonly last_day: number };

// One row, by its key.
const progressStateRead = defineStatement('progressStateRead')`
  SELECT measured, ${placeTime('measured_at')} AS measured_at,
    reported, ${placeTime('reported_at')} AS reported_at
  FROM progress_state`;
/**
 * An event was sealed after the last measurement or shortly before its end, as incidents and controls change by events, or
 * the counts of tokens are others.
 */
export const measuringIsDueAfter = (newestEventAt: string): Question =>
  defineQuestion(
    `EXISTS (SELECT FROM progress_state WHERE measured IS NULL
     OR measured_at < ${newestEventAt} + interval '5 seconds'
     OR measured -> 'tokens' IS DISTINCT FROM (SELECT coalesce(tokens, 'null') FROM monitoring_state))`,
  );
const progressMeasuredSet = defineStatement('progressMeasuredSet')`
  UPDATE progress_state SET measured = $1, measured_at = clock_timestamp()`;
const progressReportedSet = defineStatement('progressReportedSet')`
  UPDATE progress_state SET reported = $1, reported_at = $2::timestamptz
  WHERE reported_at IS NULL OR reported_at < $2::timestamptz`;
const authenticationProgressAdd = defineStatement('authenticationProgressAdd')`
  INSERT INTO authentication_progress AS known (hour, event, source, events)
  VALUES (date_trunc('hour', $1::timestamptz), $2, 'reported', 1)
  ON CONFLICT (hour, event, source) DO UPDATE SET events = known.events + excluded.events`;
// At most 30 days of hours by the primary key.
const authenticationProgressRead = defineStatement('authenticationProgressRead')`
  SELECT event, coalesce(sum(events) FILTER (WHERE hour > now() - interval '1 hour'), 0)::bigint AS current_hour,
    sum(events)::bigint AS last_day
  FROM authentication_progress WHERE source = 'reported' AND hour > now() - interval '24 hours' GROUP BY 1`;
const componentProgressSet = defineStatement('componentProgressSet')`
  INSERT INTO component_progress AS known (component, status, percent, coverage, security_score, at)
  VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (component) DO UPDATE SET status = excluded.status, percent = excluded.percent,
    coverage = excluded.coverage, security_score = excluded.security_score, at = excluded.at
  WHERE known.at < excluded.at`;
const componentProgressRead = defineStatement('componentProgressRead')`
  SELECT component, status, percent, coverage, security_score, ${placeTime('at')} AS at
  FROM component_progress`;
const progressForget = defineStatement('progressForget')`
  DELETE FROM authentication_progress WHERE hour < now() - interval '30 days'`;

export async function readState(sql: Sql): Promise<State> {
  const [row] = await sql.query<State>(progressStateRead);
  return row as State;
}

export const setMeasured = (sql: Sql, measured: Facts): Promise<unknown> =>
  sql.query(progressMeasuredSet, [JSON.stringify(measured)]);

/** An older report than the stored one changes nothing. */
export const setReported = (sql: Sql, reported: Facts, at: string): Promise<unknown> =>
  sql.query(progressReportedSet, [JSON.stringify(reported), at]);

export const addAuthentication = (tx: Sql, at: string, event: string): Promise<unknown> =>
  tx.query(authenticationProgressAdd, [at, event]);

export const readAuthentication = (sql: Sql): Promise<AuthenticationRow[]> => sql.query(authenticationProgressRead);

/** An older report than the stored one changes nothing. */
export const setComponent = (sql: Sql, row: ComponentRow): Promise<unknown> =>
  sql.query(componentProgressSet, [row.component, row.status, row.percent, row.coverage, row.security_score, row.at]);

export const readComponents = (sql: Sql): Promise<ComponentRow[]> => sql.query(componentProgressRead);

export const forgetOld = (sql: Sql): Promise<unknown> => sql.query(progressForget);
