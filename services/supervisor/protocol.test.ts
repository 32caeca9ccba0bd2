import { expect, test } from 'vitest';
import { openedEach } from '#tools/testing/opened.ts';
import { backoffMs } from '../platform/process/backoff.ts';
import { httpUrl, tellMove } from './addresses.ts';
import { defaultBackoff, failuresAfterCrash } from './backoff.ts';
import { readChildMessage } from './protocol.ts';
import { createReadiness } from './readiness.ts';
import { createSilenceWatch } from './silence-watch.ts';

test.each([null, undefined, 'ready', 7, [], {}, { type: 'other' }, { type: 1 }])(
  '%j from a child is ignored',
  (message) => expect(readChildMessage(message)).toBeUndefined(),
);

test('a fatal message always has its three texts, even if the child left some out', () =>
  expect(readChildMessage({ type: 'fatal', code: 'x' })).toEqual({ type: 'fatal', code: 'x', message: '', fix: '' }));

test('ready is read without its extra members', () =>
  expect(readChildMessage({ type: 'ready', extra: 1 })).toEqual({ type: 'ready' }));

test('the delay doubles with each failure in a row and never passes the cap', () => {
  const delays = Array.from({ length: 9 }, (_, index) => backoffMs(defaultBackoff, index + 1));
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  expect(backoffMs(defaultBackoff, 10_000)).toBe(10_000);
});

test('a child that was healthy long enough gets the first delay again; one that flaps does not', () => {
  expect(failuresAfterCrash(defaultBackoff, 7, 30_000)).toBe(1);
  expect(failuresAfterCrash(defaultBackoff, 7, 29_999)).toBe(8);
  expect(failuresAfterCrash(defaultBackoff, 0, 0)).toBe(1);
});

const readiness = openedEach(createReadiness);

const up = { name: 'api-1', isReady: true, failures: 0 };
const down = { name: 'worker-1', isReady: false, failures: 1 };

test('a start without a child, or with one that is not ready, is not ready', () => {
  for (const children of [[], [down], [up, down]])
    expect(readiness.look(children)).toMatchObject({ isReady: false, isNews: false });
  expect(readiness.wasReached()).toBe(false);
});

test('readiness of all children is reported once, and again after one was not ready', () => {
  expect(readiness.look([up, up])).toMatchObject({ isReady: true, isNews: true });
  expect(readiness.look([up, up])).toMatchObject({ isReady: true, isNews: false });
  expect(readiness.look([up, down])).toMatchObject({ isReady: false, isNews: false });
  expect(readiness.wasReached()).toBe(true);
  expect(readiness.look([up, up])).toMatchObject({ isReady: true, isNews: true });
});

test('five crashes before all were ready end the start; after that no number does', () => {
  const crashing = (failures: number) => ({ ...down, failures });
  expect(readiness.look([up, crashing(4)]).hopeless).toBeUndefined();
  expect(readiness.look([up, crashing(5)]).hopeless).toEqual(crashing(5));
  readiness.look([up]);
  expect(readiness.look([up, crashing(50)]).hopeless).toBeUndefined();
});

test.each([
  ['localhost', 'http://localhost:3000'],
  ['127.0.0.1', 'http://127.0.0.1:3000'],
  ['0.0.0.0', 'http://localhost:3000'],
  ['::', 'http://localhost:3000'],
  ['::1', 'http://[::1]:3000'],
  ['auth.example.test', 'http://auth.example.test:3000'],
])('an address listening on %s is called at %s', (host, url) => expect(httpUrl(host, 3_000)).toBe(url));

test('an installation that knows this machine by another name keeps it, unless HOST names an address', () =>
  expect(['localhost', '0.0.0.0', '::1'].map((host) => httpUrl(host, 3_000, '127.0.0.1'))).toEqual([
    'http://127.0.0.1:3000',
    'http://127.0.0.1:3000',
    'http://[::1]:3000',
  ]));

test.each([
  [3_000, 3_001, ['port 3000 is taken: using 3001']],
  [3_000, 3_000, []],
  [0, 41_234, []],
])('with port %i requested and %i assigned, %j is logged', (wanted, got, told) => {
  const said: string[] = [];
  tellMove((text) => said.push(text), 'port', wanted, got);
  expect(said).toEqual(told);
});

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
