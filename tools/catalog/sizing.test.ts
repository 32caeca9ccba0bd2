import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { sizingOf, sizingPage } from './sizing.ts';

const measured = {
  perCoreSecond: { signIns: 4, refreshes: 1_000, validations: 10_000 },
  userBytes: 2_000,
  eventBytes: 1_000,
  outboxBytes: 500,
  pairBytes: 800,
};

test('a table of sizes is arithmetic on what was measured', () => {
  const sizing = sizingOf(90_000, measured);
  expect(sizing).toMatchObject({ active: 18_000, peak: { signIns: 1, refreshes: 32, validations: 200 }, copies: 2 });
  expect(sizing.cores).toEqual({ signIns: 0.5, refreshes: 0.064, validations: 0.04 });
  expect(sizing.eventsADay).toBe(594_000);
  expect(sizing.bytes).toEqual({
    users: 180e6,
    outbox: 594_000 * 3 * 500,
    logAYear: 594_000 * 365 * 1_000,
    redis: 18_000 * 800,
  });
});

test('more load takes more copies, and no size has fewer than two', () => {
  const copies = [1, 1e6, 1e8].map((users) => sizingOf(users, measured).copies);
  expect(copies[0]).toBe(2);
  expect(copies).toEqual([...copies].sort((a, b) => a - b));
  expect(copies.at(-1)).toBeGreaterThan(20);
});

test('the page shows the arithmetic for each size, from results that are kept', () => {
  const text = sizingPage(resolve(import.meta.dirname, '../../load-tests/results'));
  expect(text).toContain('| 1,000 users | 100,000 users | 10,000,000 users |');
  expect(text).not.toMatch(/NaN|Infinity|undefined/);
  const sums = [...text.matchAll(/([\d.,]+) ÷ ([\d.]+) ÷ ([\d.]+) = ([\d.,]+)/g)];
  expect(sums).toHaveLength(9);
  const value = (cell?: string): number => Number(cell?.replaceAll(',', ''));
  for (const [, rate, speed, share, cores] of sums) {
    const exact = value(rate) / value(speed) / value(share);
    expect(Math.abs(value(cores) - exact)).toBeLessThan(exact * 0.02);
  }
});

test('a folder without the figures is refused with the command to run', () =>
  expect(() => sizingPage(import.meta.dirname)).toThrow('npm run bench'));
