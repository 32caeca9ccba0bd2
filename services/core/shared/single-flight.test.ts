import { beforeEach, expect, test } from 'vitest';
import { createSingleFlight, type SingleFlight } from './single-flight.ts';

type Run = { readonly given: string; readonly end: () => void; readonly fail: () => void };
let runs: Run[];
let flight: SingleFlight<string>;
beforeEach(() => {
  runs = [];
  flight = createSingleFlight((given) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    runs.push({ given, end: resolve, fail: () => reject(new Error(`failed: ${given}`)) });
    return promise;
  });
});

const begun = (): string[] => runs.map(({ given }) => given);

test('callers during a run share the next one, with the first caller’s argument', async () => {
  expect(flight.isIdle()).toBe(true);
  const first = flight.run('first');
  const others = ['second', 'third', 'fourth'].map((given) => flight.run(given));
  expect([begun(), flight.isIdle()]).toEqual([['first'], false]);
  runs[0]?.end();
  await first;
  await expect.poll(begun).toEqual(['first', 'second']);
  runs[1]?.end();
  await Promise.all(others);
  expect([begun(), flight.isIdle()]).toEqual([['first', 'second'], true]);
});

test('a failed run rejects for the callers that shared it, not for later ones', async () => {
  const first = flight.run('first');
  const others = [flight.run('second'), flight.run('third')];
  runs[0]?.fail();
  await expect(first).rejects.toThrow('failed: first');
  await expect.poll(begun).toEqual(['first', 'second']);
  const last = flight.run('last');
  runs[1]?.fail();
  for (const other of others) await expect(other).rejects.toThrow('failed: second');
  await expect.poll(begun).toEqual(['first', 'second', 'last']);
  runs[2]?.end();
  await expect(last).resolves.toBeUndefined();
});

test('a waiting caller is not overtaken by one that calls again as soon as a run ends', async () => {
  const again = flight.run('first').then(() => flight.run('again'));
  const waits = flight.run('second');
  runs[0]?.end();
  await expect.poll(begun).toHaveLength(2);
  expect(begun()).toEqual(['first', 'second']);
  runs[1]?.end();
  await Promise.all([waits, again]);
  expect([begun(), flight.isIdle()]).toEqual([['first', 'second'], true]);
});

test('closing waits for the run in flight and starts none for waiting callers', async () => {
  const first = flight.run('first');
  const other = flight.run('second');
  let isClosed = false;
  const closing = flight.close().then(() => {
    isClosed = true;
  });
  await new Promise(setImmediate);
  expect(isClosed).toBe(false);
  runs[0]?.end();
  await Promise.all([closing, first, other]);
  expect(begun()).toEqual(['first']);
});
