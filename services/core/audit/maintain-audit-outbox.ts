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

/** Partitions created ahead. If the job fails for longer, events go to the DEFAULT partition, which raises an alert. */
const DAYS_AHEAD = 7;

export type MaintainedOutbox = {
  /** Days (`YYYY-MM-DD`, UTC) whose partition this run created. */
  readonly made: readonly string[];
  /** Days whose partition this run dropped, after all their events were sealed. */
  readonly dropped: readonly string[];
  /** Days past their retention that still have unsealed events. */
  readonly unsealed: readonly string[];
  /** Days with events in the DEFAULT partition, so that their own partition can no longer be created. */
  readonly stray: readonly string[];
};

/** The rows that this module removes after their retention. */
export const outboxPurges = (outboxDays: number) => [outboxPurge(outboxDays)] as const;

/**
 * Creates the outbox partitions of the next days, and drops those older than `outboxDays` whose events are all sealed.
 * Deletes the sealed rows of the DEFAULT partition, which is never dropped. Never removes an unsealed event.
 * Each step is a short transaction that waits for locks at most 100 ms. A run may be killed, repeated, or run beside
 * another one: the result is the same.
 * @throws storeUnavailable if another transaction has locked the table; the next run continues
 */
export const maintainAuditOutbox = (
  ports: PurgePorts,
  { outboxDays }: { readonly outboxDays: number },
  signal: AbortSignal,
): Promise<MaintainedOutbox> =>
  withSpan('maintain-audit-outbox', {}, async () => {
    const { made, stray } = await makeOutboxPartitions(ports);
    const dropped: string[] = [];
    const unsealed: string[] = [];
    const expired = (await readOutboxDays(ports.sql, outboxDays)).filter((row) => row.is_expired);
    for (const { day, is_attached: isAttached } of expired) {
      if (signal.aborted) break;
      const isSealed = isAttached ? await ports.transact((tx) => detachDay(tx, day)) : true;
      if (isSealed === false) unsealed.push(day);
      else if (await ports.transact((tx) => dropDay(tx, day))) dropped.push(day);
    }
    await purgeOnSchedule(ports, outboxPurges(outboxDays), signal);
    return { made, dropped, unsealed, stray };
  });

/** The first half of the job, for start-up: a database that was off for weeks has no partition for today. */
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
