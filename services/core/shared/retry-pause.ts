import type { Ports } from '../ports.ts';

export type RetryPace = {
  /** Of the pause after the first attempt. */
  readonly firstSeconds: number;
  readonly longestSeconds: number;
};

/**
 * Seconds until the next attempt at a delivery. Doubles with each attempt. Up to a quarter longer or shorter, so that
 * what failed together spreads out.
 * @param attempts number of attempts so far, at least one
 */
export function retryPauseSeconds(
  { random }: Pick<Ports, 'random'>,
  attempts: number,
  { firstSeconds, longestSeconds }: RetryPace,
): number {
  const pause = Math.min(longestSeconds, firstSeconds * 2 ** Math.min(attempts - 1, 20));
  return pause * (0.75 + random.bytes(2).readUInt16BE() / 2 ** 17);
}
