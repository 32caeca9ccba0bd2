import { beforeEach, describe, expect, test } from 'vitest';
import { createDatabaseClock, type DatabaseClock } from './database-clock.ts';

const START = 1_800_000_000_000;
let wallMs: number;
let monotonicMs: number;
let clock: DatabaseClock;
beforeEach(() => {
  wallMs = START;
  monotonicMs = 1_000;
  clock = createDatabaseClock({ now: () => wallMs, monotonic: () => monotonicMs });
});

const pass = (ms: number): void => {
  wallMs += ms;
  monotonicMs += ms;
};

/** An answer that took so long, read by the database so far from this copy's clock at its arrival. */
function hear(databaseMs: number, tookMs: number): void {
  const sentAtMs = monotonicMs;
  pass(tookMs);
  clock.hear(wallMs + databaseMs, sentAtMs);
}

describe('an answer of the database', () => {
  test.each([
    ['read as it was sent', -800],
    ['read on the way', -300],
    ['read as it arrived', 0],
  ])('however slow, is no offset where its time lies within the question: %s', (_, databaseMs) => {
    hear(databaseMs, 800);
    expect(clock.offsetMs()).toBe(0);
  });

  test('from before the question: this copy is ahead by at least so much', () => {
    hear(-6_800, 800);
    expect(clock.offsetMs()).toBe(6_000);
  });

  test('from after its arrival: this copy is behind by at least so much', () => {
    hear(6_000, 800);
    expect(clock.offsetMs()).toBe(-6_000);
  });

  test('takes the place of the one before it', () => {
    hear(60_000, 0);
    hear(0, 0);
    expect(clock.offsetMs()).toBe(0);
  });
});

test('time that passes is no offset; a wall clock that steps is one at once, also before the first answer', () => {
  pass(3_600_000);
  expect(clock.offsetMs()).toBe(0);
  wallMs += 7_000;
  expect(clock.offsetMs()).toBe(7_000);
  hear(0, 5);
  expect(clock.offsetMs()).toBe(0);
  wallMs -= 9_000;
  expect(clock.offsetMs()).toBe(-9_000);
});

test.each([
  [5_000, true],
  [5_001, false],
  [-5_000, true],
  [-5_001, false],
])('an offset of %i ms is right: %s', (offsetMs, isRight) => {
  hear(-offsetMs, 0);
  expect(clock.isRight()).toBe(isRight);
});

test('the database’s time goes on by the monotonic clock, whatever the wall clock does', () => {
  hear(-20_000, 0);
  const heardAt = wallMs - 20_000;
  expect(clock.databaseNow()).toBe(heardAt);
  pass(1_000);
  wallMs += 3_600_000;
  expect(clock.databaseNow()).toBe(heardAt + 1_000);
});
