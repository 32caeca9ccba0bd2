import type { Clock } from '../ports.ts';
import { CLOCK_BOUND_SECONDS } from './key-timeline.ts';

/** The offset of this copy's wall clock from the database's, in memory. */
export type DatabaseClock = {
  /** The database's clock was read between `sentAtMs` (monotonic) and now. A slow answer is not an offset. */
  hear(databaseNowMs: number, sentAtMs: number): void;
  /** The database's time by our monotonic clock, milliseconds since 1970: no step of the wall clock changes it. */
  databaseNow(): number;
  /** Wall clock minus the database's; none before the first reading. */
  offsetMs(): number;
  isRight(): boolean;
};

export function createDatabaseClock(clock: Clock): DatabaseClock {
  let heardOffsetMs = 0;
  // Wall clock minus monotonic clock at that time: a later step of the wall clock shows as a difference.
  let wallBaseMs = clock.now() - clock.monotonic();

  const offsetMs = (): number => heardOffsetMs + (clock.now() - clock.monotonic() - wallBaseMs);
  return {
    hear(databaseNowMs, sentAtMs) {
      const wall = clock.now();
      const monotonic = clock.monotonic();
      const sentWall = wall - (monotonic - sentAtMs);
      heardOffsetMs = databaseNowMs < sentWall ? sentWall - databaseNowMs : Math.min(0, wall - databaseNowMs);
      wallBaseMs = wall - monotonic;
    },
    databaseNow: () => clock.monotonic() + wallBaseMs - heardOffsetMs,
    offsetMs,
    isRight: () => Math.abs(offsetMs()) <= CLOCK_BOUND_SECONDS * 1_000,
  };
}
