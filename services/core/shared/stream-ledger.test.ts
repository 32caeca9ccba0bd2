import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { eventStreamsBusy, eventStreamsSpent } from '../security/errors.ts';
import { createStreamLedger } from './stream-ledger.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const user = (userId: string): Caller => userCaller(userId, { clientId: 'app' });

class Endless extends Readable {
  override _read(): void {}
  finish(): void {
    this.push(null);
  }
}

const ledger = (onEmpty?: () => void) =>
  createStreamLedger<Endless>({
    maximumStreams: 3,
    maximumPerCaller: 2,
    spent: () => eventStreamsSpent({ retryAfterSeconds: 5 }),
    busy: () => eventStreamsBusy({ retryAfterSeconds: 5 }),
    ...(onEmpty ? { onEmpty } : {}),
  });
const code = (of: string) => expect.objectContaining({ code: of });
const end = async (stream: Endless): Promise<void> => {
  const closed = once(stream, 'close');
  stream.destroy();
  await closed;
};

test('limits streams per caller and in total; a closed stream frees its place', async () => {
  const onEmpty = vi.fn();
  const streams = ledger(onEmpty);
  const first = streams.reserve(user('a')).fill(new Endless());
  const second = streams.reserve(user('a')).fill(new Endless());
  expect(() => streams.reserve(user('a'))).toThrow(code('event_streams_spent'));
  const third = streams.reserve(user('b')).fill(new Endless());
  expect(() => streams.reserve(user('c'))).toThrow(code('event_streams_busy'));
  expect([streams.count(), streams.streams()]).toEqual([3, [first, second, third]]);
  await end(first);
  expect(streams.count()).toBe(2);
  const fourth = streams.reserve({ kind: 'anonymous', request }).fill(new Endless());
  expect(onEmpty).not.toHaveBeenCalled();
  for (const stream of [second, third, fourth]) await end(stream);
  expect([streams.count(), onEmpty.mock.calls.length]).toEqual([0, 1]);
});

test('a place counts from the request on, and is released when its stream cannot be opened', () => {
  const streams = ledger();
  const places = [streams.reserve(user('a')), streams.reserve(user('a'))];
  expect([streams.count(), streams.streams()]).toEqual([2, []]);
  expect(() => streams.reserve(user('a'))).toThrow(code('event_streams_spent'));
  places[0]?.free();
  places[0]?.free();
  expect(streams.count()).toBe(1);
});

test('closing ends every stream, also one that is being opened, and opens no more', async () => {
  const streams = ledger();
  const open = streams.reserve(user('a')).fill(new Endless());
  const late = streams.reserve(user('a'));
  streams.close();
  expect(() => streams.reserve(user('b'))).toThrow(code('shutting_down'));
  const stream = late.fill(new Endless());
  for (const each of [open, stream]) {
    each.resume();
    await once(each, 'close');
  }
  expect(streams.count()).toBe(0);
});
