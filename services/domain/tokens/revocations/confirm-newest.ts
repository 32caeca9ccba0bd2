import { setTimeout as sleep } from 'node:timers/promises';
import type { Ports } from '#services/domain/ports.ts';
import { createSingleFlight } from '#services/domain/shared/single-flight.ts';
import type { HasRevocations } from './revocation-set.ts';
import type { StatePoll } from './state-poll.ts';
import { whyUnconfirmed } from './why-unconfirmed.ts';

/**
 * Resolves once this copy has read every client, agent and API key that the database had at the call: one that was
 * registered at another copy a moment ago is not refused here. Throws `directory_stale` or `state_rewound` (503) if it cannot be read.
 */
export type HasNewest = { readonly confirmNewest: () => Promise<void> };

/** What is in memory and loaded when the poll sees a newer version of it. */
type View = { isConfirmedSince(monotonicMs: number): boolean; load(): Promise<void> };

/** However many unknown ids arrive, the database is asked five times a second at most. */
const INTERVAL_MS = 200;
/** How long a request waits for the database to answer. */
const WAIT_MS = 1_500;

/** Concurrent callers share one poll, which begins after their calls. */
export function createNewestConfirmation(
  {
    poll,
    revocations,
    clock,
    views,
  }: { readonly poll: Pick<StatePoll, 'wake'>; readonly views: readonly View[] } & HasRevocations &
    Pick<Ports, 'clock'>,
  waitMs = WAIT_MS,
): HasNewest['confirmNewest'] {
  let begunAtMs = Number.NEGATIVE_INFINITY;
  const looks = createSingleFlight<void>(async () => {
    await sleep(Math.max(0, begunAtMs + INTERVAL_MS - clock.monotonic()));
    begunAtMs = clock.monotonic();
    await poll.wake();
    if (!revocations.isConfirmedSince(begunAtMs)) throw whyUnconfirmed({ revocations });
    for (const view of views) if (!view.isConfirmedSince(begunAtMs)) await view.load();
  });

  return async () => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(whyUnconfirmed({ revocations })), waitMs);
    try {
      await Promise.race([looks.run(), late.promise]);
    } catch (err) {
      throw whyUnconfirmed({ revocations }, err);
    } finally {
      clearTimeout(timer);
    }
  };
}
