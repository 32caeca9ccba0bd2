import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge } from '../shared/purge.store.ts';

/** An event whose handling failed, and the number of attempts so far. */
export type Unevaluated = { readonly seq: number; readonly tries: number };

const unevaluatedInsert = defineStatement('unevaluatedInsert')`
  INSERT INTO unjudged_events (seq, failure, next_try_at) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))`;

/** Uses unjudged_events_next_try_at. */
const unevaluatedDueRead = defineStatement('unevaluatedDueRead')`
  SELECT seq, tries FROM unjudged_events WHERE next_try_at <= clock_timestamp() ORDER BY next_try_at LIMIT $1`;

/** Uses the primary key, like those below. `tries` differs if another worker has made an attempt meanwhile. */
const unevaluatedTake = defineStatement('unevaluatedTake')`
  DELETE FROM unjudged_events WHERE seq = $1 AND tries = $2 AND next_try_at IS NOT NULL RETURNING 1`;

/** With null seconds the event is set aside. */
const unevaluatedPostpone = defineStatement('unevaluatedPostpone')`
  UPDATE unjudged_events SET tries = tries + 1, failure = $3, failed_at = clock_timestamp(),
    next_try_at = clock_timestamp() + make_interval(secs => $4)
  WHERE seq = $1 AND tries = $2 AND next_try_at IS NOT NULL RETURNING 1`;

const unevaluatedPage = defineStatement('unevaluatedPage')`
  SELECT u.seq, e.type, u.tries, u.failure, u.failed_at, u.next_try_at
  FROM unjudged_events u JOIN audit_events e ON e.seq = u.seq
  WHERE u.seq > $1 ORDER BY u.seq LIMIT $2`;

const unevaluatedRetry = defineStatement('unevaluatedRetry')`
  UPDATE unjudged_events SET tries = 0, next_try_at = clock_timestamp() WHERE seq = $1 AND next_try_at IS NULL RETURNING 1`;

/** Purges events that were set aside and never retried; the audit log and the incident stay. */
export const unevaluatedPurge = definePurge({
  table: 'unjudged_events',
  id: 'seq',
  ends: 'failed_at',
  stays: `interval '1 year'`,
  where: 'next_try_at IS NULL',
});

export const insertUnevaluated = (
  tx: Sql,
  row: { readonly seq: number; readonly failure: string; readonly seconds: number },
): Promise<unknown> => tx.query(unevaluatedInsert, [row.seq, row.failure, row.seconds]);

export const readDueUnevaluated = (sql: Sql, limit: number): Promise<Unevaluated[]> =>
  sql.query(unevaluatedDueRead, [limit]);

/** Claims the event for the transaction that evaluates it; false if another worker has claimed it. */
export const takeUnevaluated = async (tx: Sql, { seq, tries }: Unevaluated): Promise<boolean> =>
  (await tx.query(unevaluatedTake, [seq, tries])).length > 0;

/** False if another worker has evaluated it or counted this attempt. */
export const postponeUnevaluated = async (
  tx: Sql,
  { seq, tries }: Unevaluated,
  failure: string,
  seconds: number | null,
): Promise<boolean> => (await tx.query(unevaluatedPostpone, [seq, tries, failure, seconds])).length > 0;

type UnevaluatedRow = Unevaluated & {
  readonly type: string;
  readonly failure: string;
  readonly failed_at: Date;
  readonly next_try_at: Date | null;
};

export const readUnevaluatedPage = (sql: Sql, after: number, limit: number): Promise<UnevaluatedRow[]> =>
  sql.query(unevaluatedPage, [after, limit]);

/** False if the event is not set aside. */
export const retryUnevaluated = async (tx: Sql, seq: number): Promise<boolean> =>
  (await tx.query(unevaluatedRetry, [seq])).length > 0;
