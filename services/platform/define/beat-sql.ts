/** SQL: a number of a transaction, without its epoch, as a row's `xmin` has it. */
const short = (xid: string): string => `${xid}::text::bigint & 4294967295`;
const AFTER_BEAT = '(s.xmin::text::bigint + 1) & 4294967295';
const NOW = 'pg_current_snapshot()';

/**
 * SQL on `feed_state s`: a transaction that writes has begun since the row of the beat was written, or one is open. Where
 * none is, nothing was committed that a restored database could lack. The row's own transaction was the last one.
 */
export const BEAT_IS_FOLLOWED = `(pg_snapshot_xmin(${NOW}) <> pg_snapshot_xmax(${NOW})
  OR ${short(`pg_snapshot_xmax(${NOW})`)} <> ${AFTER_BEAT})`;

/**
 * A part of WITH, after a part named `written` that wrote rows a restored database may lack, such as times and figures that
 * come again: no beat need follow them. It marks the row of the beat as written last, without advancing it, if this
 * transaction is the first one since and no other is open. One that is needs its own beat.
 */
export const WRITTEN_WITHOUT_BEAT = `unmissed AS (UPDATE feed_state SET beat_at = beat_at WHERE id IN (
     SELECT id FROM feed_state s WHERE EXISTS (SELECT FROM written)
       AND pg_snapshot_xmin(${NOW}) = pg_current_xact_id() AND pg_snapshot_xmax(${NOW}) = pg_current_xact_id()
       AND ${short('pg_current_xact_id()')} = ${AFTER_BEAT} FOR UPDATE SKIP LOCKED))`;
