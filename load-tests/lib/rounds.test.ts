import { expect, test } from 'vitest';
import { combined, speed } from './rounds.ts';

test('two runs are combined by their counts and times, not by the mean of their speeds', () => {
  const [short, long] = [
    speed(10, 1, 2, { perProductCpuSecond: 2.5 }),
    speed(90, 3, 8, { p50Ms: 1, perProductCpuSecond: 9 }),
  ];
  expect(combined(short, long)).toEqual({
    count: 100,
    perSecond: 25,
    perCpuSecond: 10,
    cores: 2.5,
    perProductCpuSecond: 100 / 14,
  });
});

test('a speed that was measured without the whole product stays so', () => {
  expect(combined(speed(1, 1, 1), speed(1, 1, 1))).toEqual(speed(2, 2, 2));
});
