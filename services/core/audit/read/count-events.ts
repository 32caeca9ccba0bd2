import type { Ports } from '#services/core/ports.ts';
import { type EventCount, readEventCounts, readNewestSeq } from '../events.store.ts';

export type { EventCount };

/** At most so many events of the log are counted at once, so that each statement stays short. */
const STEP = 50_000;

/**
 * Counts sealed events of these types by hour and outcome, after this place in the log; `reachedSeq` is where the next
 * call continues. Without a place it counts nothing and returns the end of the log.
 */
export async function countEvents(
  { sql }: Pick<Ports, 'sql'>,
  types: readonly string[],
  afterSeq: number | null,
): Promise<{ readonly counts: readonly EventCount[]; readonly reachedSeq: number; readonly isMore: boolean }> {
  const newest = await readNewestSeq(sql);
  if (afterSeq === null || newest <= afterSeq)
    return { counts: [], reachedSeq: Math.max(newest, afterSeq ?? newest), isMore: false };
  const reachedSeq = Math.min(newest, afterSeq + STEP);
  const counts = await readEventCounts(sql, types, { after: afterSeq, upTo: reachedSeq });
  return { counts, reachedSeq, isMore: reachedSeq < newest };
}
