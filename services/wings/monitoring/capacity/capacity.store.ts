import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sample } from '../take-sample.ts';
import type { Measured, Sizes } from './capacity-series.ts';

/** Hours that are over, that copies were sampled in, and that are not kept yet: at most two days of them. */
const capacityHoursMissing = defineStatement(
  'capacityHoursMissing',
  `SELECT ${placeTime('hour')} AS hour, hour >= date_trunc('hour', clock_timestamp()) - interval '1 hour' AS "isNewest"
   FROM generate_series(date_trunc('hour', clock_timestamp()) - interval '46 hours',
     date_trunc('hour', clock_timestamp()) - interval '1 hour', interval '1 hour') hour
   WHERE NOT EXISTS (SELECT FROM capacity_samples c WHERE c.hour = hour.hour)
     AND EXISTS (SELECT FROM copy_samples s WHERE s.at >= hour.hour AND s.at < hour.hour + interval '1 hour')
   ORDER BY hour.hour`,
);
const capacitySampleInsert = defineStatement(
  'capacitySampleInsert',
  `INSERT INTO capacity_samples (id, hour, measured, sums) VALUES ($1, $2, $3, $4) ON CONFLICT (hour) DO NOTHING`,
);
/** Index: capacity_samples_hour. */
const capacitySamplesNewest = defineStatement(
  'capacitySamplesNewest',
  `SELECT ${placeTime('hour')} AS hour, measured, sums FROM capacity_samples
   WHERE hour > clock_timestamp() - interval '25 hours' ORDER BY capacity_samples.hour`,
);
/** The highest value of each whole day (UTC) of each series, and the newest limit: at most 24 rows for each day. */
const capacityDaysRead = defineStatement(
  'capacityDaysRead',
  `SELECT key AS series, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, max((value ->> 'value')::float8) AS value,
     (array_agg((value ->> 'limit')::float8 ORDER BY capacity_samples.hour DESC))[1] AS "limit"
   FROM capacity_samples, jsonb_each(measured)
   WHERE hour >= date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(days => $1)
     AND hour < date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
   GROUP BY 1, 2 ORDER BY 1, 2`,
);
/** Estimates of PostgreSQL, which cost nothing; `pg_database_size` asks the file system. */
const capacitySizesRead = defineStatement(
  'capacitySizesRead',
  `SELECT pg_database_size(current_database())::float8 AS "databaseBytes",
     (SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = to_regclass('users')) AS users`,
);

/** Thirteen months, as counts by hour. */
export const capacitySamplePurge = definePurge({
  kind: 'capacity_samples',
  table: 'capacity_samples',
  id: 'id',
  ends: 'hour',
  stays: `interval '400 days'`,
});

export type CapacityRow = {
  readonly hour: string;
  readonly measured: Readonly<Record<string, Measured>>;
  readonly sums: Pick<Sample, 'counters' | 'histograms'> & {
    /** The highest age of a waiting job, by queue. */
    readonly queueAges: Readonly<Record<string, number>>;
  };
};
export type CapacityDay = {
  readonly series: string;
  /** Such as 2026-11-25. */
  readonly day: string;
  readonly value: number;
  readonly limit: number | null;
};

export const readMissingHours = (sql: Sql): Promise<{ readonly hour: string; readonly isNewest: boolean }[]> =>
  sql.query(capacityHoursMissing);

export const insertCapacitySample = (sql: Sql, id: string, { hour, measured, sums }: CapacityRow): Promise<unknown> =>
  sql.query(capacitySampleInsert, [id, hour, JSON.stringify(measured), JSON.stringify(sums)]);

export const readNewestCapacity = (sql: Sql): Promise<CapacityRow[]> => sql.query(capacitySamplesNewest);

export const readCapacityDays = (sql: Sql, days: number): Promise<CapacityDay[]> => sql.query(capacityDaysRead, [days]);

export async function readSizes(sql: Sql): Promise<Pick<Sizes, 'databaseBytes' | 'users'>> {
  const [row] = await sql.query<Pick<Sizes, 'databaseBytes' | 'users'>>(capacitySizesRead);
  return row as Pick<Sizes, 'databaseBytes' | 'users'>;
}
