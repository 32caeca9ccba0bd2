import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, it } from 'vitest';
import { createEqualCost, stepsFor } from './equal-cost.ts';

/** A fake meter that only work advances: a bcrypt hash of cost 12 adds 4,096; it records the filling hashes. */
function meter() {
  const filled: number[] = [];
  let spent = 1_000_000;
  const work =
    <T>(micros: number, result: T) =>
    (): T => {
      spent += micros;
      return result;
    };
  const burn = (cost: number): void => {
    filled.push(cost);
    spent += 2 ** cost;
  };
  return { work, filled, costs: { spentMicros: () => spent, burn }, spentMicros: () => spent };
}

describe('equal cost', () => {
  it('fills the remaining time with hashes of halving cost, and never exceeds it', () => {
    expect(stepsFor(4_096, 4_096)).toEqual([12]);
    expect(stepsFor(4_095, 4_096)).toEqual([11, 10, 9, 8, 7, 6, 5, 4]);
    expect(stepsFor(3_072, 4_096)).toEqual([11, 10]);
    expect(stepsFor(15, 4_096)).toEqual([]);
    expect(stepsFor(-1, 4_096)).toEqual([]);
    expect(stepsFor(9, 0)).toEqual([]);
  });

  it.each([
    ['bcrypt: our own hash is the target cost', 'bcrypt', 4_096, [], 4_096],
    ['argon2id cheaper than bcrypt: an older bcrypt digest is the target cost', 'argon2id', 1_024, [10], 4_096],
    ['argon2id costlier than bcrypt: argon2id is the target cost', 'argon2id', 6_144, [10], 6_144],
  ] as const)('%s', (_name, algorithm, ownMicros, measured, wholeMicros) => {
    const { work, filled, costs, spentMicros } = meter();
    const equalCost = createEqualCost(algorithm, work(ownMicros, ''), costs);
    expect(filled).toEqual(measured);
    for (const micros of [0, 100, 1_024, wholeMicros - 16, wholeMicros - 1, wholeMicros]) {
      const from = spentMicros();
      expect(equalCost(work(micros, micros))).toBe(micros);
      // The cheapest hash adds 16: a smaller remainder is not filled.
      expect(wholeMicros - (spentMicros() - from), `after ${micros}`).toBeGreaterThanOrEqual(0);
      expect(wholeMicros - (spentMicros() - from), `after ${micros}`).toBeLessThan(16);
    }
  });

  it('fills a cheap verification up to the target cost, and adds nothing to one at or above it', () => {
    const { work, filled, costs } = meter();
    const equalCost = createEqualCost('bcrypt', work(4_096, ''), costs);
    equalCost(work(1_024, ''));
    expect(filled).toEqual([11, 10]);
    filled.length = 0;
    equalCost(work(4_096, ''));
    equalCost(work(9_999, ''));
    expect(filled).toEqual([]);
  });

  it('measures processor time and computes real hashes by default', () => {
    const equalCost = createEqualCost('argon2id', () => hashSync('password', { cost: 4, version: '2b' }));
    expect(equalCost(() => 42)).toBe(42);
  });
});
