import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Ports } from '#services/domain/ports.ts';
import { keyRingBehind } from '../refresh/refresh-errors.ts';
import type { HasRevocations } from './revocation-set.ts';
import type { StatePoll } from './state-poll.ts';

/** Resolves with true once keys and revocations in memory are at least as new as the call. Never rejects. */
export type HasStateConfirmation = { readonly confirmState: () => Promise<boolean> };

/** How long a request waits for the database to answer. */
const CONFIRM_WAIT_MS = 1_500;

/** Concurrent callers share one poll. */
export function createStateConfirmation(
  {
    poll,
    keyRing,
    revocations,
    clock,
  }: { readonly poll: Pick<StatePoll, 'wake'> } & HasKeyRing & HasRevocations & Pick<Ports, 'clock'>,
  waitMs = CONFIRM_WAIT_MS,
): HasStateConfirmation['confirmState'] {
  async function readState(askedAtMs: number): Promise<boolean> {
    await poll.wake();
    if (!revocations.isConfirmedSince(askedAtMs)) return false;
    // The poll saw a new version of the keys and loads them without waiting.
    if (!keyRing.isConfirmedSince(askedAtMs)) await keyRing.load();
    return keyRing.isConfirmedSince(askedAtMs);
  }

  return () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), waitMs);
    void readState(clock.monotonic())
      .catch(() => false)
      .then((isConfirmed) => {
        clearTimeout(timer);
        resolve(isConfirmed);
      });
    return promise;
  };
}

/**
 * Runs `look` on memory that was confirmed after this call. Throws `key_ring_behind` (503) when it cannot be confirmed.
 */
export async function lookAgain<T>({ confirmState }: HasStateConfirmation, look: () => T | Promise<T>): Promise<T> {
  if (!(await confirmState())) throw keyRingBehind({ retryAfterSeconds: 1 });
  return look();
}

/** Runs `look` on this copy's memory; if outdated memory may explain the result, runs it again on confirmed memory. */
export async function lookConfirmed<T>(
  ports: HasStateConfirmation,
  look: () => T | Promise<T>,
  mayBeMissing: (found: T) => boolean,
): Promise<T> {
  const found = await look();
  return mayBeMissing(found) ? lookAgain(ports, look) : found;
}
