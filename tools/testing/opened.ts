import { afterAll, beforeAll } from 'vitest';

type Ends = Partial<Record<'close' | 'end', () => Promise<unknown>>>;

/** What the tests of a file share, opened before the first and closed after the last; until then it has no members. */
export function opened<T extends object>(open: () => Promise<T>): T {
  const held: T[] = [];
  beforeAll(async () => held.push(await open()));
  afterAll(() => Promise.all(held.map((each: Ends) => each.close?.() ?? each.end?.())));
  const forward =
    (_: object, trap: keyof typeof Reflect) =>
    (own: object, ...given: unknown[]) =>
      (Reflect[trap] as (...all: unknown[]) => unknown)(held[0] ?? own, ...given);
  return new Proxy({} as T, new Proxy({}, { get: forward as never }));
}
