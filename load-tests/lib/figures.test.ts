import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { figureTable } from './benchmarks-page.ts';
import { ageWords, claimsIn, commitsSince, keptAges, newAges } from './figure-age.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import { alternate, medianInterval, ratio, rawSpeed } from './pairs.ts';
import { bucketsOf, quantileBound, totalOf } from './prometheus-text.ts';

test('every quantile lies within 0.8 % of the exact one, and mean and maximum are exact', () =>
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 600_000_000 }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      (values, part) => {
        const histogram = new LatencyHistogram();
        for (const us of values) histogram.record(us / 1_000);
        const sorted = values.toSorted((a, b) => a - b);
        const exactUs = sorted[Math.max(1, Math.ceil(part * sorted.length)) - 1]!;
        const foundUs = histogram.quantileMs(part) * 1_000;
        expect(foundUs).toBeGreaterThanOrEqual(exactUs - 0.001);
        expect(foundUs).toBeLessThanOrEqual(exactUs * 1.008 + 0.001);
        const { count, meanMs, maxMs } = histogram.summary();
        expect(count).toBe(values.length);
        expect(maxMs).toBeCloseTo(sorted.at(-1)! / 1_000, 6);
        expect(meanMs).toBeCloseTo(values.reduce((sum, each) => sum + each, 0) / values.length / 1_000, 3);
      },
    ),
  ));

test('an empty histogram answers zeros', () =>
  expect(new LatencyHistogram().summary()).toEqual({
    count: 0,
    meanMs: 0,
    p50Ms: 0,
    p90Ms: 0,
    p95Ms: 0,
    p99Ms: 0,
    p999Ms: 0,
    maxMs: 0,
  }));

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
  expect([totalOf(text, 'checks_count'), totalOf(text, 'plain')]).toEqual([7.5, 2]);
  expect(() => totalOf(text, 'checks')).toThrow('no checks');
});

it('of the series that are asked for, and 0 without any of them', () => {
  const text = 'checks{outcome="hit"} 3\nchecks{outcome="miss"} 4\nother{outcome="hit"} 9';
  expect([totalOf(text, 'checks', /outcome="hit"/), totalOf(text, 'checks', /outcome="late"/)]).toEqual([3, 0]);
});

test('an age is said in words that stay true while commits are added', () =>
  expect([undefined, 0, 99, 100, 598].map(ageWords)).toEqual([
    'age unknown',
    'fewer than 100 commits of `services/` before this page was written',
    'fewer than 100 commits of `services/` before this page was written',
    'at least 100 commits of `services/` ago',
    'at least 500 commits of `services/` ago',
  ]));

const aged = `commit \`aaaaaaa\`, at least 300 commits of \`services/\` ago; commit \`bbbbbbb\`, ${ageWords(1)}; commit \`ccccccc\`, age unknown`;

test('a check keeps what a page says of an age while that is true, also where git does not know', () => {
  expect(claimsIn(aged).map(({ commit, atLeast }) => [commit, atLeast])).toEqual([
    ['aaaaaaa', 300],
    ['bbbbbbb', 0],
    ['ccccccc', 0],
  ]);
  const words = (commit: string, age: number | undefined): string => keptAges(aged, () => age)(commit);
  expect(words('aaaaaaa', 598)).toBe(ageWords(300));
  expect(words('aaaaaaa', undefined)).toBe(ageWords(300));
  expect(words('aaaaaaa', 250)).toBe(ageWords(200));
  expect(words('bbbbbbb', 150)).toBe(ageWords(1));
  expect(words('ccccccc', 150)).toBe(ageWords(100));
  expect(words('ddddddd', 150)).toBe(ageWords(100));
  expect(words('ddddddd', undefined)).toBe('age unknown');
});

test('writing a page says ages anew, and keeps them where git does not know', () => {
  const words = (commit: string, age: number | undefined): string => newAges(aged, () => age)(commit);
  expect(words('aaaaaaa', 598)).toBe(ageWords(500));
  expect(words('bbbbbbb', 150)).toBe(ageWords(100));
  expect(words('aaaaaaa', undefined)).toBe(ageWords(300));
  expect(words('ddddddd', undefined)).toBe('age unknown');
});

test('without git, its history or a commit the age is unknown, and nothing fails', () => {
  expect(commitsSince('0000000000')).toBeUndefined();
  expect(commitsSince('a70c0b9b93', '/')).toBeUndefined();
  expect(commitsSince('a70c0b9b93-dirty')).toBeUndefined();
  expect(commitsSince('--output=x')).toBeUndefined();
});

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
