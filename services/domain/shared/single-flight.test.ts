import { beforeEach, expect, test } from 'vitest';
import { createSingleFlight, type SingleFlight } from './single-flight.ts';

type Run = { readonly given: string; readonly end: () => void; readonly fail: () => void };
let runs: Run[];
let turns: SingleFlight<string>;
beforeEach(() => {
  runs = [];
  turns = createSingleFlight((given) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    runs.push({ given, end: resolve, fail: () => reject(new Error(`failed: ${given}`)) });
    return promise;
  });
});

const begun = (): string[] => runs.map(({ given }) => given);

test('whoever comes during a run shares one that begins after it, as the first of them gave it', async () => {
  expect(turns.isIdle()).toBe(true);
  const first = turns.take('first');
  const others = ['second', 'third', 'fourth'].map((given) => turns.take(given));
  expect(begun()).toEqual(['first']);
  expect(turns.isIdle()).toBe(false);
  runs[0]?.end();
  await first;
  await expect.poll(begun).toEqual(['first', 'second']);
  runs[1]?.end();
  await Promise.all(others);
  expect(begun()).toEqual(['first', 'second']);
  expect(turns.isIdle()).toBe(true);
});

test('a run that fails fails for those who shared it, and for nobody after them', async () => {
  const first = turns.take('first');
  const others = [turns.take('second'), turns.take('third')];
  runs[0]?.fail();
  await expect(first).rejects.toThrow('failed: first');
  await expect.poll(begun).toEqual(['first', 'second']);
  const last = turns.take('last');
  runs[1]?.fail();
  for (const other of others) await expect(other).rejects.toThrow('failed: second');
  await expect.poll(begun).toEqual(['first', 'second', 'last']);
  runs[2]?.end();
  await expect(last).resolves.toBeUndefined();
});

test('whoever waits is not outrun by one who comes again as soon as a run ends', async () => {
  const again = turns.take('first').then(() => turns.take('again'));
  const waits = turns.take('second');
  runs[0]?.end();
  await expect.poll(begun).toHaveLength(2);
  expect(begun()).toEqual(['first', 'second']);
  runs[1]?.end();
  await Promise.all([waits, again]);
  expect(begun()).toEqual(['first', 'second']);
  expect(turns.isIdle()).toBe(true);
});

test('closing waits for the run under way, and begins none for those who wait', async () => {
  const first = turns.take('first');
  const other = turns.take('second');
  let isClosed = false;
  const closing = turns.close().then(() => {
    isClosed = true;
  });
  await new Promise(setImmediate);
  expect(isClosed).toBe(false);
  runs[0]?.end();
  await Promise.all([closing, first, other]);
  expect(begun()).toEqual(['first']);
});
