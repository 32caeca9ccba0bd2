import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, it } from 'vitest';
import { createEqualCost, stepsFor } from './equal-cost.ts';

const cpuMicros = (work: () => unknown): number => {
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return user + system;
};
const bcrypt12 = (): string => hashSync('password', { cost: 12, version: '2b' });

describe('equal cost', () => {
  it('fills what is left with hashes that halve, and never by more than is left', () => {
    expect(stepsFor(4_096, 4_096)).toEqual([12]);
    expect(stepsFor(4_095, 4_096)).toEqual([11, 10, 9, 8, 7, 6, 5, 4]);
    expect(stepsFor(3_072, 4_096)).toEqual([11, 10]);
    expect(stepsFor(15, 4_096)).toEqual([]);
    expect(stepsFor(-1, 4_096)).toEqual([]);
    expect(stepsFor(9, 0)).toEqual([]);
  });

  it.each(['bcrypt', 'argon2id'] as const)(
    'makes a cheap verification cost what a whole one does, under %s, and a whole one no more (U6)',
    (algorithm) => {
      const { result, equalCost } = createEqualCost(algorithm, bcrypt12);
      expect(result).toMatch(/^\$2b\$12\$/);
      const whole = Math.min(...[1, 2, 3].map(() => cpuMicros(bcrypt12)));
      const cheap = Math.min(...[1, 2, 3].map(() => cpuMicros(() => equalCost(() => 'cheap'))));
      expect(cheap / whole).toBeGreaterThan(0.3);
      expect(cheap / whole).toBeLessThan(3);
      expect(equalCost(() => 42)).toBe(42);
    },
  );
});
