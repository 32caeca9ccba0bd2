import { beforeEach, expect, test } from 'vitest';
import { allEnded, retryPauseSeconds } from './send-batch.ts';
import { createSingleFlight, type SingleFlight } from './single-flight.ts';
import { createThrottle } from './throttle.ts';

test('each name runs once a minute, concurrent callers wait for it, and a failed action is retried', async () => {
  let nowMs = 960_000;
  const once = createThrottle({ now: () => nowMs });
  const acts: string[] = [];
  let works = true;
  const ask = (name: string): Promise<boolean> =>
    once(name, async () => {
      acts.push(name);
      return works;
    });
  expect(await Promise.all([ask('a'), ask('a'), ask('b'), ask('a')])).toEqual([true, true, true, true]);
  nowMs += 59_999;
  await ask('a');
  expect(acts).toEqual(['a', 'b']);
  nowMs += 1;
  works = false;
  expect([await ask('a'), await ask('a')]).toEqual([false, false]);
  works = true;
  expect([await ask('a'), await ask('a')]).toEqual([true, true]);
  expect(acts).toEqual(['a', 'b', 'a', 'a', 'a']);
});

test('the number of remembered names is bounded', async () => {
  const once = createThrottle({ now: () => 0 });
  let acts = 0;
  const ask = (name: string): Promise<boolean> =>
    once(name, async () => {
      acts += 1;
      return true;
    });
  for (let index = 0; index <= 10_000; index += 1) await ask(String(index));
  await ask('10000');
  expect(acts).toBe(10_001);
  await ask('0');
  expect(acts).toBe(10_002);
});

test('pauses double up to the longest, a quarter longer or shorter', () => {
  const pauses = (byte: number) => {
    const random = { bytes: (size: number) => Buffer.alloc(size, byte), uuid: () => '' };
    return [1, 2, 3, 40].map((attempts) => retryPauseSeconds({ random }, attempts, 2, 300));
  };
  expect(pauses(0)).toEqual([1.5, 3, 6, 225]);
  for (const [n, pause] of pauses(255).entries()) expect(pause).toBeCloseTo([2.5, 5, 10, 375][n] as number, 1);
});

test('rejects only after every part has ended, with the first failure in the order of the parts', async () => {
  const slow = Promise.withResolvers<string>();
  const ended: string[] = [];
  const all = allEnded([
    Promise.reject(new Error('first')),
    slow.promise.then((name) => ended.push(name)),
    Promise.reject(new Error('second')),
  ]).catch((err: Error) => ended.push(err.message));
  await new Promise(setImmediate);
  expect(ended).toEqual([]);
  slow.resolve('slow');
  await all;
  expect(ended).toEqual(['slow', 'first']);
});

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
