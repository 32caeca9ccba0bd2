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

/** An answer after a given time, with the database's clock relative to this copy's clock at arrival. */
function hear(databaseMs: number, tookMs: number): void {
  const sentAtMs = monotonicMs;
  pass(tookMs);
  clock.hear(wallMs + databaseMs, sentAtMs);
}

describe('an answer from the database', () => {
  test.each([
    ['read as it was sent', -800],
    ['read on the way', -300],
    ['read as it arrived', 0],
  ])('however slow, shows no offset when its time lies between sending and arrival: %s', (_, databaseMs) => {
    hear(databaseMs, 800);
    expect(clock.offsetMs()).toBe(0);
  });

  test('with a time before sending shows that this copy is ahead by at least the difference', () => {
    hear(-6_800, 800);
    expect(clock.offsetMs()).toBe(6_000);
  });

  test('with a time after arrival shows that this copy is behind by at least the difference', () => {
    hear(6_000, 800);
    expect(clock.offsetMs()).toBe(-6_000);
  });

  test('replaces the previous one', () => {
    hear(60_000, 0);
    hear(0, 0);
    expect(clock.offsetMs()).toBe(0);
  });
});

test('elapsed time is no offset; a wall clock step is one immediately, also before the first answer', () => {
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
])('an offset of %i ms is acceptable: %s', (offsetMs, isRight) => {
  hear(-offsetMs, 0);
  expect(clock.isRight()).toBe(isRight);
});

test('the database’s time advances by the monotonic clock, whatever the wall clock does', () => {
  hear(-20_000, 0);
  const heardAt = wallMs - 20_000;
  expect(clock.databaseNow()).toBe(heardAt);
  pass(1_000);
  wallMs += 3_600_000;
  expect(clock.databaseNow()).toBe(heardAt + 1_000);
});
