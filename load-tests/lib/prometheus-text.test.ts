import { expect, it } from 'vitest';
import { bucketsOf, quantileBound, totalOf } from './prometheus-text.ts';

const page = (fast: number, slow: number): string =>
  [
    '# TYPE wait_seconds histogram',
    `wait_seconds_bucket{queue="a",le="0.1"} ${fast}`,
    `wait_seconds_bucket{queue="a",le="1"} ${fast + slow}`,
    `wait_seconds_bucket{queue="a",le="+Inf"} ${fast + slow}`,
    `wait_seconds_bucket{le="0.1"} ${fast}`,
    `wait_seconds_bucket{le="1"} ${fast}`,
    `wait_seconds_bucket{le="+Inf"} ${fast}`,
    `wait_seconds_count ${2 * fast + slow}`,
    'wait_seconds_other_bucket{le="0.1"} 1000',
  ].join('\n');

it('series of one histogram are counted together, between two pages', () => {
  const before = bucketsOf(page(5, 0), 'wait_seconds');
  expect(quantileBound(before, bucketsOf(page(54, 1), 'wait_seconds'), 0.9)).toEqual({ bound: 0.1, count: 99 });
  expect(quantileBound(before, bucketsOf(page(54, 1), 'wait_seconds'), 0.999)).toEqual({ bound: 1, count: 99 });
});

it('nothing observed, and no such histogram, are errors', () => {
  const same = bucketsOf(page(1, 1), 'wait_seconds');
  expect(() => quantileBound(same, same, 0.5)).toThrow('nothing was observed');
  expect(() => bucketsOf(page(1, 1), 'wait')).toThrow('no histogram wait');
});

it('a total is that of all series of its very name', () => {
  const text = 'checks_count{by="a"} 3\nchecks_count{by="b"} 4.5\nchecks_count_more 9\nplain 2';
  expect(totalOf(text, 'checks_count')).toBe(7.5);
  expect(totalOf(text, 'plain')).toBe(2);
  expect(() => totalOf(text, 'checks')).toThrow('no checks');
});

it('of the series that are asked for, and 0 without any of them', () => {
  const text = 'checks{outcome="hit"} 3\nchecks{outcome="miss"} 4\nother{outcome="hit"} 9';
  expect(totalOf(text, 'checks', /outcome="hit"/)).toBe(3);
  expect(totalOf(text, 'checks', /outcome="late"/)).toBe(0);
});
