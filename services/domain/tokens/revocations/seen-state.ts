import type { Marks } from '#services/domain/ports.ts';

/**
 * For a statement of one round trip: whether the database shows no less than what was seen of it, as `is_known` in one
 * row. Not known is not true: a database without its row shows nothing.
 * @param values placeholders of `seenValues`: incarnation, revocation epoch and beat
 */
export const databaseIsKnown = ([incarnation, epoch, beat]: readonly [string, string, string]): string =>
  `SELECT ${incarnation}::uuid IS NULL OR (incarnation = ${incarnation}::uuid AND revocation_epoch >= ${epoch}::int8
    AND beat >= ${beat}::int8) AS is_known FROM feed_state WHERE id`;

/** Null before anything was seen. */
export const seenValues = (seen: Marks | null): readonly unknown[] =>
  seen === null ? [null, null, null] : [seen.incarnation, seen.revocationEpoch, seen.beat];
