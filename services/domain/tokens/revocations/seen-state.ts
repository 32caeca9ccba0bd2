import type { Marks } from '#services/domain/ports.ts';

/**
 * SQL that returns `is_known` in one row: whether the database is at the state that this copy has seen of it, or ahead.
 * A statement that includes it needs no second round trip. Test for `IS NOT TRUE`: without its row the result is null.
 * @param placeholders those of `seenValues`: incarnation, revocation epoch and beat
 */
export const databaseIsKnown = ([incarnation, epoch, beat]: readonly [string, string, string]): string =>
  `SELECT ${incarnation}::uuid IS NULL OR (incarnation = ${incarnation}::uuid AND revocation_epoch >= ${epoch}::int8
    AND beat >= ${beat}::int8) AS is_known FROM feed_state WHERE id`;

/** Values of the placeholders; all null before this copy has seen a state. */
export const seenValues = (seen: Marks | null): readonly unknown[] =>
  seen === null ? [null, null, null] : [seen.incarnation, seen.revocationEpoch, seen.beat];
