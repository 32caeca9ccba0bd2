import { randomBytes } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, it, test } from 'vitest';
import { dummyDigestOf } from './dummy-digest.ts';
import { createEqualCost, processorMicros, stepsFor } from './equal-cost.ts';
import { UnknownDigestError } from './errors.ts';
import { findScheme, hashPassword, normalisePassword, verifyPassword } from './schemes.ts';

const pepper = randomBytes(32);
const bcryptPart = '[./A-Za-z0-9]{53}$';

describe('digest schemes', () => {
  it('stores plain bcrypt of cost 12 for up to 72 bytes, and a pre-hash with its own prefix for more', () => {
    expect(hashPassword('x'.repeat(72), pepper)).toMatch(new RegExp(`^\\$2b\\$12\\$${bcryptPart}`));
    expect(hashPassword('x'.repeat(73), pepper)).toMatch(new RegExp(`^\\$sp1\\$\\$2b\\$12\\$${bcryptPart}`));
    expect(hashPassword('ä'.repeat(37), pepper)).toMatch(/^\$sp1\$/);
  });

  it('distinguishes passwords with the same first 72 bytes', () => {
    const [stored, other] = [`${'x'.repeat(99)}A`, `${'x'.repeat(99)}B`];
    const digest = hashPassword(stored, pepper);
    expect(verifyPassword(stored, digest, pepper)).toBe(true);
    expect(verifyPassword(other, digest, pepper)).toBe(false);
  });

  it('distinguishes a password of 72 bytes from longer ones that begin with it, in both directions', () => {
    const [short, long] = ['x'.repeat(72), 'x'.repeat(73)];
    const digestOfShort = hashPassword(short, pepper);
    expect(verifyPassword(short, digestOfShort, pepper)).toBe(true);
    expect(verifyPassword(long, digestOfShort, pepper)).toBe(false);
    expect(verifyPassword(short, hashPassword(long, pepper), pepper)).toBe(false);
  });

  it('distinguishes a password from itself with a NUL and more text appended', () => {
    const digest = hashPassword('horse', pepper);
    expect(verifyPassword('horse\0', digest, pepper)).toBe(false);
    expect(verifyPassword('horse\0horse', digest, pepper)).toBe(false);
    const digestWithNul = hashPassword('horse\0A', pepper);
    expect(digestWithNul).toMatch(/^\$sp1\$/);
    expect(verifyPassword('horse\0A', digestWithNul, pepper)).toBe(true);
    expect(verifyPassword('horse\0B', digestWithNul, pepper)).toBe(false);
    expect(verifyPassword('horse', digestWithNul, pepper)).toBe(false);
  });

  it('needs the pepper for a pre-hashed password, so that an attacker cannot guess it from a stolen table alone', () => {
    const digest = hashPassword('x'.repeat(80), pepper);
    expect(verifyPassword('x'.repeat(80), digest, randomBytes(32))).toBe(false);
  });

  it('verifies digests of other bcrypt libraries, and asks for an upgrade', () => {
    for (const version of ['2a', '2y', '2b'] as const) {
      const digest = `$${version}${hashSync('imported', 4).slice(3)}`;
      expect(verifyPassword('imported', digest, pepper)).toBe(true);
      expect(verifyPassword('imposter', digest, pepper)).toBe(false);
      expect(findScheme(digest).isCurrent(digest)).toBe(false);
    }
  });

  it('asks for no upgrade of its own digests, except of a pre-hash of lower cost', () => {
    const body = `${'a'.repeat(21)}u${'b'.repeat(31)}`;
    const isCurrent = (digest: string): boolean => findScheme(digest).isCurrent(digest);
    expect([isCurrent(`$2b$12$${body}`), isCurrent(`$2a$12$${body}`)]).toEqual([true, false]);
    expect([isCurrent(`$2b$11$${body}`), isCurrent(`$sp1$$2b$12$${body}`)]).toEqual([false, true]);
    expect(isCurrent(`$sp1$$2b$10$${body}`)).toBe(false);
  });

  it('refuses an unknown, malformed or too costly digest, and the error never repeats it', () => {
    const body = 'a'.repeat(53);
    const refused = ['', 'plain', '$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA', `$2x$12$${body}`, `$2b$12$${body}a`];
    for (const digest of [...refused, '$2b$12$short', '$2b$12$', `$2b$31$${body}`, `$2b$03$${body}`, `$2b$+4$${body}`])
      expect(() => findScheme(digest)).toThrow(UnknownDigestError);
    expect(() => findScheme(`$sp1$${body}`)).toThrow(UnknownDigestError);
    expect(() => findScheme(`$sp2$$2b$12$${body}`)).toThrow(UnknownDigestError);
    expect(() => verifyPassword('any', `$sp1$$sp1$$2b$12$${body}`, pepper)).toThrow(
      /^stored password digest has an unknown scheme$/,
    );
  });
});

const refusal = (reason: string): unknown => expect.objectContaining({ name: 'UnhashablePasswordError', reason });

describe('normalisePassword', () => {
  it('gives NFKC-equal passwords one form', () => {
    expect(normalisePassword('pa\u0308ssw\uff4frd')).toBe('pässword');
    expect(normalisePassword('p\u00e4ssword')).toBe('pässword');
  });

  it('accepts at most 1,024 bytes, counted after NFKC', () => {
    expect(normalisePassword('x'.repeat(1_024))).toHaveLength(1_024);
    expect(normalisePassword('\u{1d4ea}'.repeat(1_024))).toBe('a'.repeat(1_024));
    expect(() => normalisePassword('x'.repeat(1_025))).toThrow(refusal('too_long'));
    expect(() => normalisePassword('ä'.repeat(513))).toThrow(refusal('too_long'));
    expect(() => normalisePassword('\ufdfa'.repeat(40))).toThrow(refusal('too_long'));
    expect(() => normalisePassword('\u{1d4ea}'.repeat(1_025))).toThrow(refusal('too_long'));
  });

  it('refuses an empty password', () => expect(() => normalisePassword('')).toThrow(refusal('empty')));

  it('refuses lone surrogates, which UTF-8 would make equal to each other', () => {
    expect(() => normalisePassword('correct horse \ud800')).toThrow(refusal('ill_formed'));
    expect(() => normalisePassword('\udc00 correct horse')).toThrow(refusal('ill_formed'));
  });

  it('needs at least one byte for two UTF-16 units, so that the early length check refuses no valid password', () => {
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
      const character = String.fromCodePoint(codePoint);
      const bytes = Buffer.byteLength(character.normalize('NFKC'));
      if (character.length > 2 * bytes) expect.fail(`U+${codePoint.toString(16)}`);
    }
  });

  it('does not repeat the password in its error', () =>
    expect(() => normalisePassword(`secret${'x'.repeat(2_000)}`)).toThrow(/^password cannot be hashed \(too_long\)$/));
});

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
    const equalCost = createEqualCost('argon2id', () => hashSync('password', 4));
    expect(equalCost(() => 42)).toBe(42);
  });
});

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
