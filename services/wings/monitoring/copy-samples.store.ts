import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { WRITTEN_WITHOUT_BEAT } from '#services/platform/define/beat-sql.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { CopyKind } from './dashboard-shapes.ts';
import type { HourSample } from './take-sample.ts';

/** By its key. One copy writes a row, and repeats it until its hour is over. */
const copySampleWrite = defineStatement('copySampleWrite')`
  WITH written AS (
    INSERT INTO copy_samples (id, copy_id, kind, seconds, sample) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET at = clock_timestamp(), seconds = excluded.seconds, sample = excluded.sample
    RETURNING id
  ), ${WRITTEN_WITHOUT_BEAT} SELECT FROM written`;

/** Index: copy_samples_at. Oldest first. */
const copySamplesSince = defineStatement('copySamplesSince')`
  SELECT copy_id, kind, ${placeTime('at')} AS at, seconds, sample,
    extract(epoch FROM clock_timestamp() - at)::float8 AS age_seconds
  FROM copy_samples WHERE at >= date_trunc('hour', clock_timestamp()) - make_interval(hours => $1)
  ORDER BY copy_samples.at`;

/** The forecast reads 90 days. */
export const copySamplePurge = definePurge({ table: 'copy_samples', ends: 'at', stays: `interval '100 days'` });

export type CopySampleRow = {
  readonly copy_id: string;
  readonly kind: CopyKind;
  /** When it was written last. */
  readonly at: string;
  /** From the beginning of the hour, or of the copy, to `at`. */
  readonly seconds: number;
  readonly sample: HourSample;
  readonly age_seconds: number;
};

export const writeCopySample = (
  sql: Sql,
  row: Omit<CopySampleRow, 'at' | 'age_seconds'> & { readonly id: string },
): Promise<unknown> =>
  sql.query(copySampleWrite, [row.id, row.copy_id, row.kind, row.seconds, JSON.stringify(row.sample)]);

/** What copies measured in this clock hour and so many before it. */
export const readCopySamples = (sql: Sql, hoursBefore: number): Promise<CopySampleRow[]> =>
  sql.query(copySamplesSince, [hoursBefore]);
