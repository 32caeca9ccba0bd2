import { describe, expect, test } from 'vitest';
import { countOf, histogramOf, mergeHistograms, quantileOf } from './histogram.ts';

const BOUNDS = [1, 2, 5, 10];

describe('a sparse histogram', () => {
  test('keeps the bounds that its records need, and the records above all bounds', () => {
    expect(histogramOf(BOUNDS, [0, 0, 3, 0, 2], 40)).toEqual({ sum: 40, counts: { 2: 0, 5: 3, 10: 0, inf: 2 } });
    expect(histogramOf(BOUNDS, [4, 0, 0, 0, 0], 2)).toEqual({ sum: 2, counts: { 1: 4 } });
  });

  test('of two copies has the records of both', () => {
    const merged = mergeHistograms([histogramOf(BOUNDS, [1, 0, 3, 0, 0], 9), histogramOf(BOUNDS, [0, 2, 1, 0, 0], 7)]);
    expect(merged).toEqual({ sum: 16, counts: { 1: 1, 2: 2, 5: 4 } });
    expect(countOf(merged)).toBe(7);
    expect(mergeHistograms([])).toEqual({ sum: 0, counts: {} });
  });
});

describe('a quantile', () => {
  test('lies on the line between the bounds of its bucket, also where the bucket before is empty', () => {
    // 4 records in (2, 5]: the third of them is at three quarters of the bucket.
    expect(quantileOf(histogramOf(BOUNDS, [0, 0, 4, 0, 0], 14), 0.75)).toBe(4.25);
    // 10 records in the first bucket, which begins at 0, and 10 in the last.
    const two = histogramOf(BOUNDS, [10, 0, 0, 10, 0], 100);
    expect(quantileOf(two, 0.25)).toBe(0.5);
    expect(quantileOf(two, 0.5)).toBe(1);
    expect(quantileOf(two, 0.95)).toBe(9.5);
  });

  test('above the last bound is that bound', () =>
    expect(quantileOf(histogramOf(BOUNDS, [1, 0, 0, 0, 9], 900), 0.99)).toBe(10));

  test('of nothing is unknown', () => expect(quantileOf({ sum: 0, counts: {} }, 0.5)).toBeNull());
});
