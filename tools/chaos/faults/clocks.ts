import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, fault } from './fault.ts';

/** B's wall clock leaps, and is set right again. */
const leap = (name: string, offsetSeconds: number, ms: number): Fault =>
  fault(
    name,
    async ({ system }) => {
      system.clock?.set(offsetSeconds);
      await sleep(ms);
      system.clock?.set(0);
    },
    { needs: 'clock' },
  );

export const clockFaults: readonly Fault[] = [
  leap('clock-hour-ahead', 3_600, 6_000),
  leap('clock-hour-behind', -3_600, 6_000),
  leap('clock-seconds-ahead', 3, 6_000),
];
