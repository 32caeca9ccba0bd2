import fc from 'fast-check';
import { expect, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { OUTCOMES } from '#services/platform/define/audit-event.ts';
import { createByteLru } from './byte-lru.ts';
import { eventSentences, plainSentence } from './event-sentences.ts';
import { storedInstant } from './list-events.ts';
import { shareReads } from './share-reads.ts';

test('converts times that Postgres rejects to the same instant, or to the nearest one that it accepts', () => {
  expect(storedInstant('0044-05-09T09:52:38.1-22:40')).toBe('0044-05-10T08:32:38.100Z');
  expect(storedInstant('2026-01-01T00:00:00+16:00')).toBe('2025-12-31T08:00:00.000Z');
  expect(storedInstant('0000-05-09T09:52:38Z')).toBe('0001-01-01T00:00:00.000Z');
  expect(storedInstant('9999-12-31T23:59:59-23:59')).toBe('9999-12-31T23:59:59.999Z');
  // Other times stay unchanged, with their microseconds.
  for (const text of ['2026-01-01T00:00:00.123456Z', '2026-01-01T00:00:00.123456+15:59', undefined])
    expect(storedInstant(text)).toBe(text);
});

const events = modules.flatMap((module) => module.events);
const keyOf = (type: string, outcome: string): string =>
  eventSentences.has(`${type} ${outcome}`) ? `${type} ${outcome}` : type;
const membersOf = (sentence: string): string[] => [...sentence.matchAll(/(\w+)\}/g)].map(([, name]) => name!).sort();

test.each(events)('$type is said in both languages, with nothing that a caller wrote and nothing personal', (event) => {
  const open = Object.entries(event.detail).filter(([, { kind }]) => !['text', 'personal', 'patient'].includes(kind));
  const known = ['actor', 'target', 'client', ...open.map(([name]) => name)];
  for (const outcome of event.outcomes) {
    const [en = '', de = ''] = eventSentences.get(keyOf(event.type, outcome)) ?? [];
    expect([en !== '', de !== '', de !== en, membersOf(de)], outcome).toEqual([true, true, true, membersOf(en)]);
    expect(known, outcome).toEqual(expect.arrayContaining(membersOf(en)));
  }
});

test('each sentence is about an event and an outcome that a module declares', () => {
  const used = events.flatMap(({ type, outcomes }) => outcomes.map((outcome) => keyOf(type, outcome)));
  expect([...eventSentences.keys()].filter((key) => !used.includes(key))).toEqual([]);
});

test('events are found by each outcome that a module declares, and by no other', () =>
  expect([...OUTCOMES].sort()).toEqual([...new Set(events.flatMap(({ outcomes }) => outcomes))].sort()));

test('an event is said with ids, as far as it is known', () => {
  const parties = { actor: { kind: 'user', id: 'ada' }, target: { kind: 'user', id: 'olga' }, client_id: null };
  const event = { type: 'user.role_granted', outcome: 'ok', ...parties, detail: { role: 'auditor' } };
  expect(plainSentence(event)).toBe('user ada granted user olga the role auditor');
  expect(plainSentence({ ...event, detail: { role: { sha256: 'x' } } })).toBe('user ada granted user olga the role …');
  expect(plainSentence({ ...event, type: 'session.created', detail: { user_id: 'bo' } })).toBe(
    'user bo began a browser session',
  );
  expect(plainSentence({ ...event, type: 'a.later' })).toBeUndefined();
});

const counted = () => {
  const singleFlight = shareReads<string>();
  const pending: PromiseWithResolvers<string>[] = [];
  const read = (key: string): Promise<string> =>
    singleFlight(key, () => {
      const reading = Promise.withResolvers<string>();
      pending.push(reading);
      return reading.promise;
    });
  return { read, pending };
};

test('concurrent callers of a key share one read; a later caller reads again', async () => {
  const { read, pending } = counted();
  const asked = [read('a'), read('a'), read('b')];
  expect(pending).toHaveLength(2);
  pending[0]?.resolve('one');
  pending[1]?.resolve('other');
  expect(await Promise.all(asked)).toEqual(['one', 'one', 'other']);
  const again = read('a');
  expect(pending).toHaveLength(3);
  pending[2]?.resolve('two');
  expect(await again).toBe('two');
});

test('a failed read rejects for the callers that shared it, not for later callers', async () => {
  const { read, pending } = counted();
  const asked = Promise.allSettled([read('a'), read('a')]);
  pending[0]?.reject(new Error('gone'));
  expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const again = read('a');
  pending[1]?.resolve('back');
  expect(await again).toBe('back');
});

test('evicts the least recently used entry first, and `get` counts as use', () => {
  const cache = createByteLru<number>(12);
  for (const n of [1, 2, 3, 4]) cache.set(String(n), n, 3);
  expect(cache.get('1')).toBe(1);
  cache.set('5', 5, 3);
  expect(['1', '2', '3', '4', '5'].map((key) => cache.get(key))).toEqual([1, undefined, 3, 4, 5]);
});

test('does not store a value larger than a quarter of the cache, and removes the previous value of its key', () => {
  const cache = createByteLru<string>(12);
  cache.set('a', 'small', 3);
  cache.set('a', 'large', 4);
  expect([cache.get('a'), cache.bytes()]).toEqual([undefined, 0]);
});

test('never exceeds its bound, and counts exactly the bytes of its entries', () => {
  const use = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
    bytes: fc.nat(30),
    isGet: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(use, { maxLength: 60 }), (uses) => {
      const cache = createByteLru<number>(80);
      for (const { key, bytes, isGet } of uses) {
        if (isGet) cache.get(key);
        else cache.set(key, bytes, bytes);
        expect(cache.bytes()).toBeLessThanOrEqual(80);
      }
      const sizes = [...'abcdefg'].map((key) => cache.get(key) ?? 0);
      expect(cache.bytes()).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
    }),
  );
});
