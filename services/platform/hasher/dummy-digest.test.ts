import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { dummyDigestOf } from './dummy-digest.ts';
import { processorMicros } from './equal-cost.ts';
import { findScheme, hashPassword, verifyPassword } from './schemes.ts';

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
