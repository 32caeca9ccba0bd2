import { expect, test } from 'vitest';
import { detailOf } from './figure.ts';
import { combined, compared, medianInterval, speed } from './rounds.ts';

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

test('of nine values, the second and the eighth enclose the median with 96 %; an outlier at either end moves neither', () => {
  const values = [5, 1, 9, 3, 7, 2, 8, 4, 6];
  expect(medianInterval(values)).toEqual({ low: 2, high: 8, count: 9, percent: 96 });
  expect(medianInterval(values.map((value) => (value === 9 ? 900 : value)))).toMatchObject({ low: 2, high: 8 });
});

test('three values enclose the median with 75 %, and the figure says so', () => {
  const figure = { ...compared([{ one: 0.5 }, { one: 0.75 }, { one: 0.6 }], ({ one }) => one), detail: 'a against b' };
  expect(figure.value).toBe(0.6);
  expect(detailOf(figure)).toBe('75 % interval 0.500 to 0.750, n = 3; a against b');
});

test('more values than nine narrow the interval and keep 95 %', () => {
  const values = Array.from({ length: 20 }, (_, at) => at + 1);
  expect(medianInterval(values)).toEqual({ low: 6, high: 15, count: 20, percent: 96 });
});
