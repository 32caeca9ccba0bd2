import { randomBytes } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, it, test } from 'vitest';
import { dummyDigestOf } from './dummy-digest.ts';
import { createEqualCost, processorMicros, stepsFor } from './equal-cost.ts';
import { findScheme, hashPassword, verifyPassword } from './schemes.ts';

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
    expect([stepsFor(4_096, 4_096), stepsFor(4_095, 4_096)]).toEqual([[12], [11, 10, 9, 8, 7, 6, 5, 4]]);
    expect([stepsFor(3_072, 4_096), stepsFor(15, 4_096), stepsFor(-1, 4_096)]).toEqual([[11, 10], [], []]);
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

const pepper = randomBytes(32);

/** Processor time of the cheapest of three verifications, microseconds. */
const costOf = (digest: string): number => {
  const costs = [1, 2, 3].map(() => {
    const from = processorMicros();
    expect(verifyPassword('correct horse', digest, pepper)).toBe(false);
    return processorMicros() - from;
  });
  return Math.min(...costs);
};

test.each(['bcrypt', 'argon2id'] as const)(
  'a dummy of %s has the form of a new digest, matches nothing, and costs as much to verify',
  (algorithm) => {
    const dummy = dummyDigestOf(algorithm);
    const real = hashPassword('another horse', pepper, algorithm);
    expect(dummy).toHaveLength(real.length);
    expect(dummy).not.toBe(dummyDigestOf(algorithm));
    expect(findScheme(dummy).format).toBe(findScheme(real).format);
    expect(findScheme(dummy).isCurrent(dummy, algorithm)).toBe(true);
    // A digest that could not be decoded would be refused in microseconds.
    expect(costOf(dummy)).toBeGreaterThan(costOf(real) / 2);
  },
);
