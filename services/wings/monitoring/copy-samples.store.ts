import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { WRITTEN_WITHOUT_BEAT } from '#services/platform/define/beat-sql.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { CopyKind } from './dashboard-shapes.ts';
import type { Sample } from './take-sample.ts';

const copySampleInsert = defineStatement(
  'copySampleInsert',
  `WITH written AS (
     INSERT INTO copy_samples (id, copy_id, kind, seconds, sample) VALUES ($1, $2, $3, $4, $5) RETURNING id
   ), ${WRITTEN_WITHOUT_BEAT} SELECT FROM written`,
);

/** Index: copy_samples_at. Oldest first. */
const copySamplesSince = defineStatement(
  'copySamplesSince',
  `SELECT copy_id AS "copyId", kind, ${placeTime('at')} AS at, seconds, sample,
     extract(epoch FROM clock_timestamp() - at)::float8 AS "ageSeconds"
   FROM copy_samples WHERE at > clock_timestamp() - make_interval(secs => $1) ORDER BY copy_samples.at`,
);

/** Index: copy_samples_at. Oldest first. */
const copySamplesBetween = defineStatement(
  'copySamplesBetween',
  `SELECT copy_id AS "copyId", kind, ${placeTime('at')} AS at, seconds, sample, 0 AS "ageSeconds"
   FROM copy_samples WHERE at >= $1::timestamptz AND at < $2::timestamptz ORDER BY copy_samples.at`,
);

/** Two days: the hours are kept in `capacity_samples`. */
export const copySamplePurge = definePurge({
  kind: 'copy_samples',
  table: 'copy_samples',
  id: 'id',
  ends: 'at',
  stays: `interval '2 days'`,
});

export type CopySampleRow = {
  readonly copyId: string;
  readonly kind: CopyKind;
  /** The end of the span. */
  readonly at: string;
  /** Its length. */
  readonly seconds: number;
  readonly sample: Sample;
  readonly ageSeconds: number;
};

export const insertCopySample = (
  sql: Sql,
  row: Omit<CopySampleRow, 'at' | 'ageSeconds'> & { readonly id: string },
): Promise<unknown> =>
  sql.query(copySampleInsert, [row.id, row.copyId, row.kind, row.seconds, JSON.stringify(row.sample)]);

export const readCopySamples = (sql: Sql, seconds: number): Promise<CopySampleRow[]> =>
  sql.query(copySamplesSince, [seconds]);

/** Samples whose span ended from `from` (inclusive) to `to` (exclusive). */
export const readCopySamplesBetween = (sql: Sql, from: string, to: string): Promise<CopySampleRow[]> =>
  sql.query(copySamplesBetween, [from, to]);
