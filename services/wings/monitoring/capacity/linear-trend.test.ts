import { expect, test } from 'vitest';
import { tQuantile, trendOf } from './linear-trend.ts';

test('the quantile of the t distribution is that of the tables', () => {
  // Student's t, one-sided 0.95.
  for (const [degrees, table] of [
    [5, 2.015],
    [7, 1.895],
    [10, 1.812],
    [20, 1.725],
    [30, 1.697],
    [88, 1.662],
  ] as const)
    expect(tQuantile(degrees)).toBeCloseTo(table, 2);
});

test('a trend is the least-squares line, with the interval of one more observation', () => {
  // Worked by hand: slope 28/28, deviation from the line (1, −1, 1, −1, 1, −1, 0 around y = x) ≠ 0.
  const ys = [1, 1, 3, 3, 5, 5, 7];
  const trend = trendOf(ys.map((y, x) => ({ x, y })));
  expect(trend.slope).toBeCloseTo(1, 10);
  const line = (x: number) => 25 / 7 + (x - 3);
  expect(trend.at(10).value).toBeCloseTo(line(10), 10);
  const errors = ys.reduce((sum, y, x) => sum + (y - line(x)) ** 2, 0);
  const width = tQuantile(5) * Math.sqrt(errors / 5) * Math.sqrt(1 + 1 / 7 + 49 / 28);
  expect(trend.at(10).high - trend.at(10).value).toBeCloseTo(width, 10);
  expect(trend.at(10).value - trend.at(10).low).toBeCloseTo(width, 10);
  expect(trend.slopeHigh - trend.slope).toBeCloseTo((tQuantile(5) * Math.sqrt(errors / 5)) / Math.sqrt(28), 10);
});

test('90 of 100 later observations lie in the interval', () => {
  // A fixed sequence of normal deviates (Box-Muller over a linear congruential generator), so that the test is repeatable.
  let state = 42;
  const uniform = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return (state + 0.5) / 4_294_967_296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  let inside = 0;
  const TRIALS = 4_000;
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const trend = trendOf(Array.from({ length: 14 }, (_, x) => ({ x, y: 5 + 2 * x + normal() })));
    const later = 5 + 2 * 20 + normal();
    const { low, high } = trend.at(20);
    if (later >= low && later <= high) inside += 1;
  }
  expect(inside / TRIALS).toBeGreaterThan(0.88);
  expect(inside / TRIALS).toBeLessThan(0.92);
});
