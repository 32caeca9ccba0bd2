import { expect, test } from 'vitest';
import { createSilenceWatch } from './silence-watch.ts';

const states = async (looks: readonly (Record<string, string> | null)[], pid?: number): Promise<string[]> => {
  const said: string[] = [];
  let now = 0;
  let current: Record<string, string> = {};
  const watch = createSilenceWatch({
    ask: async () => Object.fromEntries(Object.entries(current).map(([name, status]) => [name, { status }])),
    pidOf: () => pid,
    say: (text) => said.push(text),
    nowMs: () => now,
  });
  for (const look of looks) {
    current = look ?? {};
    await watch.look();
    now += 5_000;
  }
  return said;
};

const [ok, silent] = [{ 'worker-1': 'ok' }, { 'worker-1': 'silent' }];

test('a process that stops answering is named once, and once more when it is back', async () =>
  expect(await states([ok, silent, silent, silent, ok, ok], 7)).toEqual([
    'worker-1 (pid 7) is silent: it has not answered for 5 s (fix: ps -o stat= -p 7; state T: kill -CONT 7; else kill -KILL 7, and it is started again)',
    'worker-1 answers again after 15 s',
  ]));

test('a single missed answer, as during a restart, is not reported', async () =>
  expect(await states([ok, silent, ok, silent, ok])).toEqual([]));

test('a stalled process is not silent, nor is one without a health report', async () =>
  expect(await states([silent, { 'worker-1': 'stalled' }, silent, silent, null, ok])).toEqual([
    'worker-1 is silent: it has not answered for 5 s',
    'worker-1 answers again after 10 s',
  ]));
