// For tests only: the settings of a product that runs beside many others.
import { patient as longer, TEST_PATIENCE } from '#services/platform/process/patience.ts';

export const TEST_LOAD = 'TEST_LOAD';

/** A time that the product promises, milliseconds, on this machine: longer only while it is busy with other work. */
export const promised = (ms: number): number => ms * Number(process.env[TEST_LOAD] ?? 1);

const WRITE_TIMEOUT_MAX_MS = 30_000;
const STALENESS_MAX_MS = 60_000;

/** A machine that runs many tests at once is slow, and its PostgreSQL is not. */
export const patient = {
  get WRITE_TIMEOUT_MS(): string {
    return String(Math.min(WRITE_TIMEOUT_MAX_MS, longer(5_000)));
  },
  /** A process that was given no time for its polls is not one that PostgreSQL does not answer. */
  get REVOCATION_STALENESS_MS(): string {
    return String(Math.min(STALENESS_MAX_MS, longer(10_000)));
  },
};

/** Each hashing process computes one hash at start (a quarter of a second); few tests need two processes. */
export const oneHasher = { HASHER_CHILDREN: '1', HASH_QUEUE: '16' };

/**
 * For a file about deadlines: its processes have those of the product. Called before anything is started.
 * @returns how many times longer than on an idle machine the test itself may wait for an answer, at least 1
 */
export function asShipped(): number {
  process.env[TEST_PATIENCE] = '1';
  return promised(1);
}

/** For a file that shows that the deadlines of the product suffice: its processes have more only on a busy machine. */
export function asPromised(): void {
  process.env[TEST_PATIENCE] = process.env[TEST_LOAD];
}
