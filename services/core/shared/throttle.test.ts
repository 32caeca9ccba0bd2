import { expect, test } from 'vitest';
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
