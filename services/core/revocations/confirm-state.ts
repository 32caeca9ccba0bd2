import { setTimeout as sleep } from 'node:timers/promises';
import { currentRequestTrace, runDetached } from '#observability/http-span.ts';
import { keyRingBehind } from '#services/core/keys/errors.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { createSingleFlight } from '#services/core/shared/single-flight.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { directoryStale } from '#services/platform/errors.ts';
import { stateRewound } from './contract.ts';
import type { HasRevocations } from './revocation-set.ts';
import type { StatePoll } from './state-poll.ts';

/** Resolves with true once keys and revocations in memory are at least as new as the call. Never rejects. */
export type HasStateConfirmation = { readonly confirmState: () => Promise<boolean> };

/** However many unknown ids arrive, the database is asked five times a second at most. */
const INTERVAL_MS = 200;
/** A caller may wait for the next of these twice, with nothing wrong. */
const PACE_MS = 2 * INTERVAL_MS;

/**
 * Waits for work that requests share and that continues: for this long at most, and no longer than the request may still
 * wait for PostgreSQL, but for the pace of such work. Its statements are not of the request: one with little time left
 * would end them for all.
 */
async function within<T>(waitMs: number, start: () => Promise<T>, tooLate: () => T): Promise<T> {
  const request = currentRequestTrace();
  const startedAt = performance.now();
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, Math.max(PACE_MS, Math.min(waitMs, request?.storeMsLeft ?? waitMs)));
  try {
    return await Promise.race([runDetached(start), late.promise.then(tooLate)]);
  } finally {
    clearTimeout(timer);
    request?.spendStoreTime(startedAt);
  }
}

/**
 * Concurrent callers share one poll.
 * @param waitMs how long a caller waits for it; a request with less time left for PostgreSQL waits no longer than that
 */
export function createStateConfirmation(
  {
    poll,
    keyRing,
    revocations,
    clock,
  }: { readonly poll: Pick<StatePoll, 'wake'> } & HasKeyRing & HasRevocations & Pick<Ports, 'clock'>,
  waitMs: number,
): HasStateConfirmation['confirmState'] {
  async function readState(askedAtMs: number): Promise<boolean> {
    await poll.wake();
    if (!revocations.isConfirmedSince(askedAtMs)) return false;
    // The poll saw a new version of the keys and loads them without waiting.
    if (!keyRing.isConfirmedSince(askedAtMs)) await keyRing.load();
    return keyRing.isConfirmedSince(askedAtMs);
  }

  return () => {
    const askedAtMs = clock.monotonic();
    const read = (): Promise<boolean> => readState(askedAtMs).catch(() => false);
    return within(waitMs, read, () => false);
  };
}

/**
 * Runs `look` on memory that was confirmed after this call. Throws `key_ring_behind` (503) when it cannot be confirmed.
 */
export async function confirmThen<T>({ confirmState }: HasStateConfirmation, look: () => T | Promise<T>): Promise<T> {
  if (!(await confirmState())) throw keyRingBehind({ retryAfterSeconds: 1 });
  return look();
}

/** Runs `look` on this copy's memory; if outdated memory may explain the result, runs it again on confirmed memory. */
export async function confirmIfMissing<T>(
  ports: HasStateConfirmation,
  look: () => T | Promise<T>,
  mayBeMissing: (found: T) => boolean,
): Promise<T> {
  const found = await look();
  return mayBeMissing(found) ? confirmThen(ports, look) : found;
}

/** Why this copy cannot confirm its directory: the database is older than it was, or it cannot be read. Both are 503. */
export const whyUnconfirmed = ({ revocations }: HasRevocations, cause?: unknown): AppError =>
  revocations.state().rewound
    ? stateRewound({ retryAfterSeconds: 30 })
    : directoryStale({ retryAfterSeconds: 1, cause });

/**
 * Resolves once this copy has read every client, agent and API key that the database had at the call: one that was
 * registered at another copy a moment ago is not refused here. Throws `directory_stale` or `state_rewound` (503) if it cannot be read.
 */
export type HasNewest = { readonly confirmNewest: () => Promise<void> };

/** What is in memory and loaded when the poll sees a newer version of it. */
type View = { isConfirmedSince(monotonicMs: number): boolean; load(): Promise<void> };

/**
 * Concurrent callers share one poll, which begins after their calls.
 * @param waitMs how long a caller waits for it; a request with less time left for PostgreSQL waits no longer than that
 */
export function createNewestConfirmation(
  {
    poll,
    revocations,
    clock,
    views,
  }: { readonly poll: Pick<StatePoll, 'wake'>; readonly views: readonly View[] } & HasRevocations &
    Pick<Ports, 'clock'>,
  waitMs: number,
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
    try {
      await within(waitMs, looks.run, () => {
        throw whyUnconfirmed({ revocations });
      });
    } catch (err) {
      throw whyUnconfirmed({ revocations }, err);
    }
  };
}
