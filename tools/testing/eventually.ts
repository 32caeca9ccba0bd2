// For tests only: waits until a condition holds.
import { setTimeout as sleep } from 'node:timers/promises';
import { promised } from './harness/busy-machine.ts';

/** Default timeout of a test; it asserts nothing about speed. */
export const PATIENCE_MS = 60_000;

/**
 * Polls until `ask` gives something other than undefined or false.
 * @param withinMs the test's patience, unless the time it takes is what is promised
 */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  withinMs = promised(PATIENCE_MS),
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await ask();
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (performance.now() > deadline) throw new Error(`never came: ${what}`);
    await sleep(25);
  }
}
