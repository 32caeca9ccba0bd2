import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sizes } from './capacity-series.ts';

const TODAY = `date_trunc('day', clock_timestamp(), 'UTC')`;
const within = (column: string): string => `${column} >= ${TODAY} - make_interval(days => $1) AND ${column} < ${TODAY}`;
const dayOf = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD')`;

/**
 * The highest value of each whole day (UTC) of each series, and the newest limit: of the hours of copies, and of sign-ins by
 * the hour on the days that have any copy. Indexes: copy_samples_at, event_hours_hour.
 */
const capacityDaysRead = defineStatement('capacityDaysRead')`
  WITH measured AS (
    SELECT ${dayOf('at')} AS day, at, sample -> 'measured' AS measured FROM copy_samples WHERE ${within('at')}
  ), sign_ins AS (
    SELECT ${dayOf('hour')} AS day, sum(events) AS attempts FROM event_hours
    WHERE ${within('hour')} AND type = 'user.login' GROUP BY hour
  )
  SELECT key AS series, day, max((value ->> 'value')::float8) AS value,
    (array_agg((value ->> 'limit')::float8 ORDER BY at DESC))[1] AS "limit"
  FROM measured, jsonb_each(measured) GROUP BY key, day
  UNION ALL SELECT 'sign_ins_per_hour', day, coalesce(max(attempts), 0)::float8, NULL
  FROM (SELECT DISTINCT day FROM measured) days LEFT JOIN sign_ins USING (day) GROUP BY day
  ORDER BY series, day`;
/** Estimates of PostgreSQL, which cost nothing; `pg_database_size` asks the file system. */
const capacitySizesRead = defineStatement('capacitySizesRead')`
  SELECT pg_database_size(current_database())::float8 AS database_bytes,
    (SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = to_regclass('users')) AS users`;

export type CapacityDay = {
  readonly series: string;
  /** Such as 2026-11-25. */
  readonly day: string;
  readonly value: number;
  readonly limit: number | null;
};

export const readCapacityDays = (sql: Sql, days: number): Promise<CapacityDay[]> => sql.query(capacityDaysRead, [days]);

/** Of the installation, now. */
export async function readSizes(sql: Sql): Promise<Sizes> {
  const [row] = await sql.query<Omit<Sizes, 'sealedEvents'>>(capacitySizesRead);
  return { ...(row as Omit<Sizes, 'sealedEvents'>), sealedEvents: (await newestEventSeq({ sql })) + 1 };
}
