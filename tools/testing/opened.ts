import { afterAll, beforeAll } from 'vitest';

type Ends = { close?(): Promise<unknown>; end?(): Promise<unknown> };
type Forward = (on: object, ...given: unknown[]) => unknown;

/** What the tests of a file share, opened before the first and closed after the last; until then it has no members. */
export function opened<T extends object>(open: () => Promise<T>): T {
  let value = {} as T;
  beforeAll(async () => {
    value = await open();
  });
  afterAll(() => (value as Ends).close?.() ?? (value as Ends).end?.());
  const forward =
    (_: object, trap: string) =>
    (_own: object, ...given: unknown[]) =>
      (Reflect as unknown as Record<string, Forward>)[trap]?.(value, ...given);
  return new Proxy(value, new Proxy({}, { get: forward as never }));
}
