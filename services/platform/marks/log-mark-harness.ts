import { expect, test } from 'vitest';
import type { LogHead, LogHighWaterStore } from '#services/core/ports.ts';

export const markOf = (size: number, byte = size % 251): LogHead => ({
  origin: 'a.example/log',
  size,
  root: Buffer.alloc(32, byte).toString('base64'),
});

/** What holds of the mark of a log wherever it is kept. @param open by another process each time */
export function testsOfLogMark(open: () => LogHighWaterStore): void {
  test('a swap succeeds only if every part of the expected mark matches', async () => {
    const mark = open();
    expect(await mark.read()).toBeNull();
    expect(await mark.swap(markOf(1), markOf(2))).toBe(false);
    expect(await mark.swap(null, markOf(1))).toBe(true);
    expect(await mark.swap(null, markOf(2))).toBe(false);
    expect(await mark.swap(markOf(1, 9), markOf(2))).toBe(false);
    expect(await mark.swap({ ...markOf(1), origin: 'b' }, markOf(2))).toBe(false);
    expect(await mark.swap(markOf(1), markOf(2))).toBe(true);
    expect(await open().read()).toEqual(markOf(2));
  });

  test('the mark moves to another log only by continuing its own, and keeps the last head of each log', async () => {
    const mark = open();
    const next = { ...markOf(3), origin: 'a.example/log/continued-00000000' };
    await mark.swap(null, markOf(1));
    await mark.swap(markOf(1), markOf(2));
    await expect(mark.swap(markOf(2), next)).rejects.toThrow('audit continue');
    expect(await mark.follow(markOf(1), next)).toBe(false);
    expect(await mark.readEarlier()).toEqual([]);
    expect(await mark.follow(markOf(2), next)).toBe(true);
    expect(await mark.swap(next, { ...next, size: 4 })).toBe(true);
    expect(await mark.read()).toEqual({ ...next, size: 4 });
    expect(await open().readEarlier()).toEqual([markOf(2)]);
    await mark.follow({ ...next, size: 4 }, { ...next, origin: 'another' });
    expect(await mark.readEarlier()).toEqual([markOf(2), { ...next, size: 4 }]);
  });

  test('exactly one of many concurrent swaps from one mark succeeds', async () => {
    await open().swap(null, markOf(0));
    for (let round = 0; round < 10; round += 1) {
      const stores = Array.from({ length: 8 }, open);
      const done = await Promise.all(stores.map((store, at) => store.swap(markOf(round), markOf(round + 1, at + 1))));
      expect(done.filter(Boolean)).toHaveLength(1);
      const held = (await stores[0]!.read())!;
      expect(held.root).toBe(markOf(round + 1, done.indexOf(true) + 1).root);
      await stores[0]!.swap(held, markOf(round + 1));
    }
  });
}
