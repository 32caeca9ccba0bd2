import { countEventHoursJob } from '#jobs/contracts/monitoring.ts';
import type { EventCount } from '#services/core/audit/read/count-events.ts';
import { NEWEST_SEALED_AT, NEWEST_SEQ } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import type { TokenStatistics } from '#services/core/tokens/metadata/read-token-statistics.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { CountedType } from './counted-events.ts';

// One row, by its key. Locked by the job that counts, so that an event counts once.
const monitoringStateLock = defineStatement('monitoringStateLock', 'SELECT after_seq FROM monitoring_state FOR UPDATE');
/** SQL: when the newest event was sealed that figures may depend on. */
export const NEWEST_EVENT_AT = NEWEST_SEALED_AT;
/**
 * The log has news, or the last count is old and may be outdated without news: a lock ends, a token family expires, the
 * families were not counted with the last events, or a report waits until its period is counted.
 */
export const countIsDue = defineQuestion(
  `EXISTS (SELECT FROM monitoring_state WHERE after_seq IS DISTINCT FROM ${NEWEST_SEQ} OR counted_at IS NULL
     OR counted_at < clock_timestamp() - interval '40 seconds' AND (
       (locked_accounts = 0 AND tokens -> 'active' = '0' AND tokens_at >= counted_at) IS NOT TRUE
       OR EXISTS (SELECT FROM security_reports WHERE status = 'queued' AND period_to > counted_at)))`,
);
/** When the job last ended or was asked for work and had none: the figures were still right. */
const CONFIRMED_AT = `(SELECT last_succeeded_at FROM job_schedules WHERE job = '${countEventHoursJob.name}')`;
const monitoringStateSet = defineStatement('monitoringStateSet')`
  UPDATE monitoring_state SET after_seq = $1, counted_at = CASE WHEN $2 THEN clock_timestamp() ELSE counted_at END`;
const monitoringLockedSet = defineStatement('monitoringLockedSet', 'UPDATE monitoring_state SET locked_accounts = $1');
const monitoringTokensSet = defineStatement('monitoringTokensSet')`
  UPDATE monitoring_state SET tokens = $1, tokens_at = clock_timestamp()`;
const monitoringStateRead = defineStatement('monitoringStateRead')`
  SELECT after_seq, ${placeTime('counted_until')} AS counted_at, locked_accounts,
    extract(epoch FROM clock_timestamp() - counted_until)::float8 AS age_seconds, ${placeTime('clock_timestamp()')} AS now,
    tokens, ${placeTime('tokens_until')} AS tokens_at,
    extract(epoch FROM clock_timestamp() - tokens_until)::float8 AS tokens_age_seconds
  FROM (SELECT *, CASE WHEN counted_at IS NOT NULL THEN greatest(counted_at, ${CONFIRMED_AT}) END AS counted_until,
    CASE WHEN tokens_at >= counted_at THEN greatest(tokens_at, ${CONFIRMED_AT}) ELSE tokens_at END AS tokens_until
    FROM monitoring_state) state`;
const monitoringTokensAgeRead = defineStatement('monitoringTokensAgeRead')`
  SELECT extract(epoch FROM clock_timestamp() - tokens_at)::float8 AS seconds FROM monitoring_state`;
const eventHoursAdd = defineStatement('eventHoursAdd')`
  INSERT INTO event_hours AS known (hour, type, outcome, events, active)
  SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
  ON CONFLICT (hour, type, outcome) DO UPDATE SET events = known.events + excluded.events, active = known.active + excluded.active`;
/** A range of the primary key: a few dozen rows for each hour. */
const eventHoursBetween = defineStatement('eventHoursBetween')`
  SELECT ${placeTime('hour')} AS hour, type, outcome, events, active FROM event_hours
  WHERE hour >= $1::timestamptz AND hour < $2::timestamptz ORDER BY event_hours.hour, type, outcome`;
/** A range of the primary key, as above. */
const eventHoursSumDay = defineStatement('eventHoursSumDay')`
  SELECT type, outcome,
    coalesce(sum(events) FILTER (WHERE hour > now() - interval '1 hour'), 0)::bigint AS hour_events,
    coalesce(sum(active) FILTER (WHERE hour > now() - interval '1 hour'), 0)::bigint AS hour_active,
    sum(events)::bigint AS day_events, sum(active)::bigint AS day_active
  FROM event_hours WHERE hour > now() - interval '24 hours' AND type = ANY($1) GROUP BY type, outcome`;
/** Thirteen months, so that a month can be compared with the same month a year before. */
export const eventHourPurge = definePurge({ table: 'event_hours', ends: 'hour', stays: `interval '400 days'` });

type MonitoringState = {
  readonly after_seq: number | null;
  /** Until when all figures of events are right; null before the first count. */
  readonly counted_at: string | null;
  readonly age_seconds: number | null;
  readonly locked_accounts: number | null;
  readonly now: string;
  readonly tokens: TokenStatistics | null;
  readonly tokens_at: string | null;
  readonly tokens_age_seconds: number | null;
};

export async function lockCountedSeq(tx: Sql): Promise<number | null> {
  const [row] = await tx.query<{ after_seq: number | null }>(monitoringStateLock);
  return row?.after_seq ?? null;
}

/** @param isAll whether nothing is left to count */
export const setCountedSeq = (tx: Sql, seq: number, isAll: boolean): Promise<unknown> =>
  tx.query(monitoringStateSet, [seq, isAll]);

export const setLockedAccounts = (sql: Sql, accounts: number): Promise<unknown> =>
  sql.query(monitoringLockedSet, [accounts]);

export const setTokenCounts = (sql: Sql, tokens: TokenStatistics): Promise<unknown> =>
  sql.query(monitoringTokensSet, [JSON.stringify(tokens)]);

export async function readMonitoringState(sql: Sql): Promise<MonitoringState> {
  const [row] = await sql.query<MonitoringState>(monitoringStateRead);
  return row as MonitoringState;
}

/** Time since token families were counted; null before the first time. */
export const readTokensAgeSeconds = async (sql: Sql): Promise<number | null> =>
  (await sql.query<{ seconds: number | null }>(monitoringTokensAgeRead))[0]?.seconds ?? null;

export const addEventHours = (tx: Sql, counts: readonly EventCount[]): Promise<unknown> =>
  tx.query(eventHoursAdd, [
    counts.map(({ hour }) => hour),
    counts.map(({ type }) => type),
    counts.map(({ outcome }) => outcome),
    counts.map(({ events }) => events),
    counts.map(({ active }) => active),
  ]);

/** The hours from `from` (inclusive) to `to` (exclusive), oldest first. */
export const readEventHours = (sql: Sql, from: string, to: string): Promise<EventCount[]> =>
  sql.query(eventHoursBetween, [from, to]);

/** Counts of one type and outcome in this clock hour and in the last 24; `active` as in `EventCount`. */
export type EventSum = {
  readonly type: string;
  readonly outcome: string;
  readonly hour_events: number;
  readonly hour_active: number;
  readonly day_events: number;
  readonly day_active: number;
};

export const sumEventHours = (sql: Sql, types: readonly CountedType[]): Promise<EventSum[]> =>
  sql.query(eventHoursSumDay, [types]);
