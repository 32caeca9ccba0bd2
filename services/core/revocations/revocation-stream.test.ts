import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createRevocationFeed } from './revocation-feed.ts';
import { createRevocationSet, type RevocationMemory } from './revocation-set.ts';
import { createRevocationStreams, questionOfEventId, type RevocationStreams } from './revocation-stream.ts';

const STUCK_MS = 10_000;
const LIFE_MS = 60_000;

let nowMs: number;
let epoch: number;
let lines: string[];
/** Every signature waits for this promise. */
let signing: Promise<void>;
let revocations: RevocationMemory;
let streams: RevocationStreams;

const say = (_fields: object, message: string): void => void lines.push(message);
const log = { debug: say, info: say, warn: say, error: say };
const clock = { now: () => nowMs, monotonic: () => nowMs };
const question = { since: 0 };

/** Simulates an answer of the database, after which every stream advances. */
function polled(afterMs = 0): void {
  nowMs += afterMs;
  revocations.confirm(epoch, nowMs, nowMs);
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Collects everything that the reader gets, and whether the stream ended cleanly. */
function read(stream: Readable): { text: string; ends: number; errors: unknown[] } {
  const seen = { text: '', ends: 0, errors: [] as unknown[] };
  stream.on('data', (chunk) => {
    seen.text += String(chunk);
  });
  stream.on('end', () => {
    seen.ends += 1;
  });
  stream.on('error', (err) => seen.errors.push(err));
  return seen;
}
const eventsIn = ({ text }: { readonly text: string }): number => text.split('event: revocations').length - 1;

beforeEach(() => {
  nowMs = 1_800_000_000_000;
  epoch = 0;
  lines = [];
  signing = Promise.resolve();
  revocations = createRevocationSet({ clock, log, stalenessBoundMs: 2_000, budget: 1_000 });
  revocations.reset('0190b1d4-0000-7000-8000-000000000001');
  polled();
  const sign: KeyRing['sign'] = async (header, claims) => {
    await signing;
    return `${header.typ}.${JSON.stringify(claims)}`;
  };
  const state = { revocations, issuer: 'https://issuer.test', stalenessBoundMs: 2_000 };
  const revocationFeed = createRevocationFeed({ ...state, keyRing: { sign } as KeyRing });
  const limits = { stuckAfterMs: STUCK_MS, maximumLifeMs: LIFE_MS };
  streams = createRevocationStreams({ ...state, ...limits, revocationFeed, clock, log });
});

test('a consumer that reads nothing is disconnected and its place is freed; one that waits for changes is not', async () => {
  // Larger than the stream's buffer, so no further answer is made before the consumer reads it.
  const expiresAtMs = nowMs + 3_600_000;
  const entry = { kind: 'jti', tokenEpoch: null, isReuse: false, userId: null, clientId: null, expiresAtMs } as const;
  revocations.apply(Array.from({ length: 400 }, (_, at) => ({ ...entry, epoch: at + 1, value: `token-${at}` })));
  epoch = 400;
  polled();
  const stuck = streams.open(question, testCaller);
  const seen = read(streams.open(question, testCaller));
  await turn();
  polled(STUCK_MS);
  expect(stuck.destroyed).toBe(false);
  await turn();
  polled(1);
  expect(stuck.destroyed).toBe(true);
  await turn();
  expect(streams.count()).toBe(1);
  expect([eventsIn(seen), seen.ends]).toEqual([2, 0]);
});

test('a stream past its maximum life ends cleanly, and only once', async () => {
  const seen = read(streams.open(question, testCaller));
  await turn();
  polled(LIFE_MS);
  await turn();
  expect(seen.ends).toBe(0);
  polled(1);
  polled(1);
  await turn();
  expect([eventsIn(seen), seen.ends, seen.errors]).toEqual([2, 1, []]);
  expect(streams.count()).toBe(0);
});

test('an answer whose signature finishes after the end of the stream is not sent', async () => {
  const held = Promise.withResolvers<void>();
  signing = held.promise;
  const stream = streams.open(question, testCaller);
  const seen = read(stream);
  await turn();
  streams.close();
  held.resolve();
  await once(stream, 'close');
  await turn();
  expect([eventsIn(seen), seen.ends, seen.errors]).toEqual([0, 1, []]);
});

test('while no key signs the stream is silent, and it continues with the next poll', async () => {
  signing = Promise.reject(new Error('no key signs'));
  const seen = read(streams.open(question, testCaller));
  await turn();
  expect([eventsIn(seen), seen.ends]).toEqual([0, 0]);
  expect(lines).toEqual(['revocation stream could not be served; the next poll retries']);
  signing = Promise.resolve();
  epoch = 3;
  polled();
  await turn();
  expect([eventsIn(seen), seen.text.includes('"epoch":3')]).toEqual([1, true]);
});

test('a reconnecting consumer continues after its last event; an event id of another server is ignored', () => {
  const incarnation = '0190b1d4-0000-7000-8000-000000000001';
  expect(questionOfEventId(`${incarnation}.7`)).toEqual({ since: 7, incarnation });
  expect(questionOfEventId('7')).toEqual({ since: 7, incarnation: undefined });
  for (const id of [undefined, 7, '', 'x', `${incarnation}.`, '1234567890123456', ['7']])
    expect(questionOfEventId(id)).toBeNull();
});

test('a stale copy opens no stream and keeps no place for it', () => {
  nowMs += 60_000;
  expect(() => streams.open(question, testCaller)).toThrow('revocation_state_stale');
  expect(streams.count()).toBe(0);
});
