import { finished } from 'node:stream/promises';
import { ReadableStream } from 'node:stream/web';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { createProgressStreams } from './progress-streams.ts';

const allowed = async (): Promise<boolean> => true;
/** A body that never ends, and tells when it is cancelled. */
function endless() {
  const cancelled = vi.fn();
  return { cancelled, body: new ReadableStream({ cancel: cancelled }) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

test('one caller has at most four open answers, and all callers 64: another is answered without progress', () => {
  const streams = createProgressStreams();
  const open = (name: string) => streams.open(clientCaller(name), allowed);
  const [first] = Array.from({ length: 4 }, () => open('a'));
  expect(open('a')).toBeNull();
  expect(open('b')).not.toBeNull();
  first?.free();
  expect(open('a')).not.toBeNull();
  for (let at = 0; at < 80; at += 1) open(`c${at}`);
  expect(streams.count()).toBe(64);
});

test('an answer is told when its time is up, and cut off if its client still does not read it', async () => {
  const streams = createProgressStreams(1_000);
  const place = streams.open(clientCaller('a'), allowed);
  const { body, cancelled } = endless();
  const carried = place?.carry(body);
  await vi.advanceTimersByTimeAsync(999);
  expect(place?.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect([place?.signal.aborted, cancelled.mock.calls.length, streams.count()]).toEqual([true, 0, 1]);
  await vi.advanceTimersByTimeAsync(15_000);
  expect([carried?.destroyed, cancelled.mock.calls.length, streams.count()]).toEqual([true, 1, 0]);
});

test('an answer whose client is gone frees its place and ends its work', async () => {
  const streams = createProgressStreams();
  const place = streams.open(clientCaller('a'), allowed);
  const { body, cancelled } = endless();
  const carried = place?.carry(body);
  carried?.destroy();
  await finished(carried!).catch(() => {});
  await vi.waitFor(() => expect(streams.count()).toBe(0));
  expect([place?.signal.aborted, cancelled.mock.calls.length]).toEqual([true, 1]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a process that stops has every open answer end, and opens no more', () => {
  const streams = createProgressStreams();
  const place = streams.open(clientCaller('a'), allowed);
  place?.carry(endless().body);
  streams.close();
  expect(place?.signal.aborted).toBe(true);
  expect(streams.open(clientCaller('b'), allowed)).toBeNull();
});
