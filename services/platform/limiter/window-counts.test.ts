import { describe, expect, test } from 'vitest';
import { WindowCounts } from './window-counts.ts';

const WINDOW_MS = 1_000;

describe('counts in windows', () => {
  test('a window begins with its first request and ends whole', () => {
    const counts = new WindowCounts(WINDOW_MS, 0);
    expect(counts.add('a', 900)).toMatchObject({ own: 1, endsAtMs: 1_900 });
    // A generation has been dropped meanwhile, but the window is the same.
    expect(counts.add('a', 1_899)).toMatchObject({ own: 2, endsAtMs: 1_900 });
    expect(counts.add('a', 1_900)).toMatchObject({ own: 1, sent: 0, others: 0, endsAtMs: 2_900 });
  });

  test('counts of other copies end with the window', () => {
    const counts = new WindowCounts(WINDOW_MS, 0);
    const held = counts.add('a', 0);
    held.others = 7;
    held.sent = 1;
    expect(counts.add('a', 999)).toMatchObject({ own: 2, others: 7, sent: 1 });
    expect(counts.add('a', 1_000)).toMatchObject({ own: 1, others: 0, sent: 0 });
  });

  test('keys without requests are forgotten after their window, without a timer', () => {
    const counts = new WindowCounts(WINDOW_MS, 0);
    for (let key = 0; key < 100; key += 1) counts.add(String(key), 500);
    counts.add('a', 1_200);
    expect(counts.keys).toBe(101);
    counts.add('a', 2_200);
    expect(counts.keys).toBe(1);
    counts.add('b', 2_300);
    counts.add('b', 9_000);
    expect(counts.keys).toBe(1);
  });

  test('many addresses use bounded memory, and every request is counted', () => {
    const counts = new WindowCounts(WINDOW_MS, 0, 10);
    const known = counts.add('0', 0);
    for (let key = 1; key < 10; key += 1) counts.add(String(key), 0);
    const crowd = counts.add('10', 0);
    for (let key = 11; key < 1_000; key += 1) expect(counts.add(String(key), 0)).toBe(crowd);
    expect(crowd).toMatchObject({ own: 990, isCrowd: true });
    expect([known.isCrowd, counts.keys]).toEqual([false, 11]);
    expect(counts.add('0', 1)).toBe(known);
    expect(known.own).toBe(2);
  });
});
