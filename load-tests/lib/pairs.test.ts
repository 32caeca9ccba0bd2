import { expect, test } from 'vitest';
import { figureTable } from './benchmarks-page.ts';
import { alternate, medianInterval, ratio, rawSpeed } from './pairs.ts';

const speed = (operations: number) => rawSpeed({ operations, seconds: 1, cpuSeconds: 1 });
const pairsOf = (...ours: number[]) => ours.map((each) => ({ ours: speed(each), base: speed(100) }));

test('every side is measured once a turn, and every second turn backwards', async () => {
  const order: string[] = [];
  const side = (name: string) => async () => order.push(name);
  const pairs = await alternate({ pairs: 3, say: () => {} }, { a: side('a'), b: side('b') }, String);
  expect(order).toEqual(['a', 'b', 'b', 'a', 'a', 'b']);
  expect(pairs).toHaveLength(3);
});

test('a ratio is the median of the ratios of each pair; a cost is its inverse', () => {
  const figure = { name: 'ours ÷ base', of: 'ours', to: 'base' } as const;
  expect(ratio(pairsOf(50, 80, 200), figure)).toMatchObject({ value: 0.8, unit: 'per CPU-second' });
  expect(ratio(pairsOf(50, 80, 200), { ...figure, isCost: true }).value).toBe(1.25);
  expect(ratio(pairsOf(50, 80, 200), figure).detail).toContain('80.00 a CPU-s');
});

test('of nine values, the second and the eighth enclose the median with 96 %; an outlier at either end moves neither', () => {
  const values = [5, 1, 9, 3, 7, 2, 8, 4, 6];
  expect(medianInterval(values)).toEqual({ low: 2, high: 8, count: 9, percent: 96 });
  expect(medianInterval(values.map((value) => (value === 9 ? 900 : value)))).toMatchObject({ low: 2, high: 8 });
});

test('three values enclose the median with 75 %, and the table says so', () => {
  const figure = ratio(pairsOf(50, 75, 60), { name: 'ours', of: 'ours', to: 'base' });
  expect(figure.value).toBe(0.6);
  expect(figureTable([figure]).at(-1)).toContain('75 % interval 0.500 to 0.750, n = 3; 60.00 a CPU-s');
});

test('more values than nine narrow the interval and keep 95 %', () => {
  const values = Array.from({ length: 20 }, (_, at) => at + 1);
  expect(medianInterval(values)).toEqual({ low: 6, high: 15, count: 20, percent: 96 });
});
