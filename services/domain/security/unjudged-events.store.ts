import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge } from '../shared/purge.store.ts';

/** An event whose handling failed, and the number of attempts so far. */
export type Unjudged = {
  readonly seq: number;
  readonly tries: number;
};

const unjudgedInsert = defineStatement(
  'unjudgedInsert',
  `INSERT INTO unjudged_events (seq, failure, next_try_at) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))`,
);

/** Uses unjudged_events_next_try_at. */
const unjudgedDueRead = defineStatement(
  'unjudgedDueRead',
  `SELECT seq, tries FROM unjudged_events WHERE next_try_at <= clock_timestamp() ORDER BY next_try_at LIMIT $1`,
);

/** Uses the primary key, like those below. `tries` differs if another worker has made an attempt meanwhile. */
const unjudgedTake = defineStatement(
  'unjudgedTake',
  `DELETE FROM unjudged_events WHERE seq = $1 AND tries = $2 AND next_try_at IS NOT NULL RETURNING 1`,
);

/** With null seconds the event is set aside. */
const unjudgedPostpone = defineStatement(
  'unjudgedPostpone',
  `UPDATE unjudged_events SET tries = tries + 1, failure = $3, failed_at = clock_timestamp(),
     next_try_at = clock_timestamp() + make_interval(secs => $4)
   WHERE seq = $1 AND tries = $2 AND next_try_at IS NOT NULL RETURNING 1`,
);

const unjudgedPage = defineStatement(
  'unjudgedPage',
  `SELECT u.seq, e.type, u.tries, u.failure, u.failed_at AS "failedAt", u.next_try_at AS "nextTryAt"
   FROM unjudged_events u JOIN audit_events e ON e.seq = u.seq
   WHERE u.seq > $1 ORDER BY u.seq LIMIT $2`,
);

const unjudgedRetry = defineStatement(
  'unjudgedRetry',
  `UPDATE unjudged_events SET tries = 0, next_try_at = clock_timestamp() WHERE seq = $1 AND next_try_at IS NULL RETURNING 1`,
);

/** Purges events that were set aside and never retried; the audit log and the incident stay. */
export const unjudgedPurge = definePurge({
  kind: 'unjudged_events',
  table: 'unjudged_events',
  id: 'seq',
  ends: 'failed_at',
  stays: `interval '1 year'`,
  where: 'next_try_at IS NULL',
});

export const insertUnjudged = (
  tx: Sql,
  row: { readonly seq: number; readonly failure: string; readonly seconds: number },
): Promise<unknown> => tx.query(unjudgedInsert, [row.seq, row.failure, row.seconds]);

export const readDueUnjudged = (sql: Sql, limit: number): Promise<Unjudged[]> => sql.query(unjudgedDueRead, [limit]);

/** Claims the event for the transaction that evaluates it; false if another worker has claimed it. */
export const takeUnjudged = async (tx: Sql, { seq, tries }: Unjudged): Promise<boolean> =>
  (await tx.query(unjudgedTake, [seq, tries])).length > 0;

/** False if another worker has evaluated it or counted this attempt. */
export const postponeUnjudged = async (
  tx: Sql,
  { seq, tries }: Unjudged,
  failure: string,
  seconds: number | null,
): Promise<boolean> => (await tx.query(unjudgedPostpone, [seq, tries, failure, seconds])).length > 0;

export type UnjudgedRow = Unjudged & {
  readonly type: string;
  readonly failure: string;
  readonly failedAt: Date;
  readonly nextTryAt: Date | null;
};

export const readUnjudgedPage = (sql: Sql, after: number, limit: number): Promise<UnjudgedRow[]> =>
  sql.query(unjudgedPage, [after, limit]);

/** False if the event is not set aside. */
export const retryUnjudged = async (tx: Sql, seq: number): Promise<boolean> =>
  (await tx.query(unjudgedRetry, [seq])).length > 0;
