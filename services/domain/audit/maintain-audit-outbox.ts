import { withSpan } from '#observability/http-span.ts';
import type { Ports } from '../ports.ts';
import { type PurgePorts, purgeOnSchedule } from '../shared/purge.ts';
import {
  detachDay,
  dropDay,
  makePartition,
  outboxPurge,
  readMissingDays,
  readOutboxDays,
} from './outbox-partitions.store.ts';

/** Days of partitions created ahead: if the job fails for longer, events go to the DEFAULT partition, which raises an alert. */
const DAYS_AHEAD = 7;

export type MaintainedOutbox = {
  /** Days (`YYYY-MM-DD`, UTC) that were given a partition. */
  readonly made: readonly string[];
  /** Days that went, every event of theirs in the sealed log. */
  readonly dropped: readonly string[];
  /** Days whose time is over but not all of whose events are sealed. */
  readonly unsealed: readonly string[];
  /** Days with events in the DEFAULT partition, which cannot get their own any more. */
  readonly stray: readonly string[];
};

/** What this module removes once its time is over. */
export const outboxPurges = (outboxDays: number) => [outboxPurge(outboxDays)] as const;

/**
 * Makes the partitions of the next days in the audit outbox, and drops the days that are older than `outboxDays` and
 * sealed to the last event. Sealed strays of the DEFAULT partition go by rows. No event that is not sealed ever goes.
 * Each step is a short transaction that gives up a lock it does not get at once. Killed anywhere, run twice or by two
 * at once, it does the same.
 * @throws storeUnavailable where others hold what it needs; the next run goes on
 */
export function maintainAuditOutbox(
  ports: PurgePorts,
  { outboxDays }: { readonly outboxDays: number },
  signal: AbortSignal,
): Promise<MaintainedOutbox> {
  return withSpan('maintain-audit-outbox', {}, async () => {
    const { made, stray } = await makeOutboxPartitions(ports);
    const dropped: string[] = [];
    const unsealed: string[] = [];
    const over = (await readOutboxDays(ports.sql, outboxDays)).filter(({ isOver }) => isOver);
    for (const { day, isAttached } of over) {
      if (signal.aborted) break;
      const isSealed = isAttached ? await ports.transact((tx) => detachDay(tx, day)) : true;
      if (isSealed === false) unsealed.push(day);
      else if (await ports.transact((tx) => dropDay(tx, day))) dropped.push(day);
    }
    await purgeOnSchedule(ports, outboxPurges(outboxDays), signal);
    return { made, dropped, unsealed, stray };
  });
}

/** The first half, for a start: a database that has slept for weeks has no partition for today. */
export async function makeOutboxPartitions(
  ports: Pick<Ports, 'transact' | 'sql'>,
): Promise<Pick<MaintainedOutbox, 'made' | 'stray'>> {
  const made: string[] = [];
  const stray: string[] = [];
  for (const day of await readMissingDays(ports.sql, DAYS_AHEAD)) {
    const isMade = await ports.transact((tx) => makePartition(tx, day));
    if (isMade === null) stray.push(day);
    else if (isMade) made.push(day);
  }
  return { made, stray };
}
