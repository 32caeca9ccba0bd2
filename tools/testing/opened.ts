import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';

/** In the order of preference. A harness stops a copy that `stop` ended once more: that changes nothing. */
const ENDS = ['dispose', 'stop', 'close', 'end', 'drop', 'cut'] as const;
type Ends = Partial<Record<(typeof ENDS)[number], () => Promise<unknown>>>;

const endOf = (each: Ends): unknown => each[ENDS.find((end) => each[end]) ?? 'end']?.();

/** A part of what the tests of a file share, by a name of its own; until that is opened it has no members. */
export function partOf<T extends object>(part: () => T | undefined): T {
  const forward =
    (_: object, trap: keyof typeof Reflect) =>
    (own: object, ...given: unknown[]) =>
      (Reflect[trap] as (...all: unknown[]) => unknown)(part() ?? own, ...given);
  return new Proxy({} as T, new Proxy({}, { get: forward as never }));
}

/** What the tests of a file share, made before the first; what it is made of closes it. Until then it has no members. */
export function made<T extends object>(make: () => T | Promise<T>, before = beforeAll<object>): T {
  let held: T | undefined;
  before(async () => {
    held = await make();
  });
  return partOf(() => held);
}

/** What the tests of a file share, opened before the first and closed after the last; until then it has no members. */
export function opened<T extends object>(open: () => T | Promise<T>): T {
  const held = made<Ends & T>(open);
  afterAll(() => endOf(held));
  return held;
}

/** The same for each test by itself. */
export function openedEach<T extends object>(open: () => T | Promise<T>): T {
  const held = made<Ends & T>(open, beforeEach);
  afterEach(() => endOf(held));
  return held;
}
