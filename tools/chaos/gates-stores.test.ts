import { describe, expect, test } from 'vitest';
import { code, count, id, listOf, name, objectOf, oneOf, text, user } from '#services/platform/define/audit-member.ts';
import { exampleExchange, examplePeriod } from './example-facts.ts';
import { isFailed } from './gates.ts';
import { showsOnlyDeclared } from './gates-public-log.ts';
import type { Period } from './gates-service.ts';
import { lateRefusals, retryStorms, sessionsAboveSetting } from './gates-stores.ts';
import { createLedger } from './ledger.ts';
import { type StoreSample, sessionLimits } from './store-watch.ts';

const RUN = [0, 60_000] as const;
const period = examplePeriod({ endedAtMs: 25_000, servedAtMs: 27_000, isOfStores: true });
const limits = new Map([['sallyport-main', 20]]);
const moments = (fromMs: number) => ({ moments: [{ fromMs, toMs: fromMs + 200, stretch: 6 }] });

/** Samples of a minute, four a second: usually 100 messages a second, and what a period changes. */
function samples(changed: { sessions?: number; perSecond?: number; opened?: number; from?: number; to?: number } = {}) {
  const { sessions = 20, perSecond = 100, opened = 0, from = 20_000, to = 27_000 } = changed;
  let [sent, all] = [0, 0];
  return Array.from({ length: 240 }, (_, at): StoreSample => {
    const atMs = at * 250;
    const isWithin = atMs >= from && atMs <= to;
    sent += (isWithin ? perSecond : 100) / 4;
    all += isWithin ? opened / 4 : 0;
    return {
      atMs,
      sessions: { 'sallyport-main': isWithin ? sessions : 20 },
      sent: { postgres: sent, redis: sent },
      opened: { postgres: all, redis: 0 },
    };
  });
}

describe('sessions above the setting', () => {
  test.each([
    ['as many as are set', samples(), 0],
    ['one more for seconds', samples({ sessions: 21 }), 1],
    ['one more in one sample, when a session has just ended', samples({ sessions: 21, to: 20_100 }), 0],
    ['more while no store fails', samples({ sessions: 30, from: 40_000, to: 50_000 }), 0],
  ])('%s', (_, seen, findings) => expect(sessionsAboveSetting(seen, [period], limits).findings).toHaveLength(findings));

  test('one more for a second is too many on a quiet machine, and not on one that is four times as busy', () => {
    const seen = samples({ sessions: 21, to: 21_000 });
    const found = (stretch: number) => sessionsAboveSetting(seen, [{ ...period, stretch }], limits).findings.length;
    expect([found(1), found(8)]).toEqual([1, 0]);
  });

  test('a database that never answered leaves the gate without facts, which fails', () => {
    const silent = samples().map(({ sessions, ...rest }) => ({ ...rest, seen: sessions }));
    expect(isFailed(sessionsAboveSetting(silent, [period], limits))).toBe(true);
  });

  test('the settings are those of the product: two copies of the API, the MCP server, and two workers', () => {
    const seen = sessionLimits({ DATABASE_POOL: '7' });
    expect([seen.get('sallyport-main'), seen.get('sallyport-worker')]).toEqual([21, 20]);
  });
});

describe('retry storms', () => {
  test.each([
    ['as much as usually', samples(), 0],
    ['nearly three times as much', samples({ perSecond: 290 }), 0],
    ['four times as much at both stores', samples({ perSecond: 400 }), 2],
    ['the same after the store is back', samples({ perSecond: 400, from: 28_000, to: 34_000 }), 2],
    ['each connection once a second', samples({ opened: 20 }), 0],
    ['each connection three times a second', samples({ opened: 60 }), 1],
  ])('%s', (_, seen, findings) => expect(retryStorms(seen, [period], RUN, limits).findings).toHaveLength(findings));

  test('faults of other parts are not looked at, and no fault of a store leaves no facts', () => {
    const other = { ...period, isOfStores: false };
    expect(retryStorms(samples({ perSecond: 900 }), [other], RUN, limits)).toMatchObject({ checked: 0, findings: [] });
  });
});

describe('late refusals', () => {
  const gateOf = (ms: number, changed: Partial<Period> = {}, isLimited = true, times = 2) => {
    const late = exampleExchange({ isLimited, status: 503, endedAtMs: 22_000 + ms });
    const ledger = { ...createLedger(), exchanges: Array.from({ length: times }, () => late) };
    return lateRefusals(ledger, [{ ...period, ...changed }]);
  };
  test.each<[string, number, Partial<Period>, number, number]>([
    ['within a second', 900, {}, 2, 0],
    ['later', 1_100, {}, 2, 1],
    ['one later, of less than a hundred', 1_100, {}, 1, 1],
    ['later, on a machine that is three times as busy', 1_100, { stretch: 3 }, 2, 0],
    ['later, in a moment that was three times as busy', 1_100, moments(22_900), 2, 0],
    ['later, before such a moment', 1_100, moments(23_200), 2, 1],
    ['later, while no store fails', 1_100, { isOfStores: false }, 2, 0],
  ])('%s', (_, ms, changed, times, findings) => {
    expect(gateOf(ms, changed, true, times).findings).toHaveLength(findings);
  });

  test('a read waits for a connection and one statement', () => {
    expect(gateOf(3_300, {}, false).findings).toEqual([]);
    expect(gateOf(3_500, {}, false).findings).toHaveLength(1);
  });
});

const UUID = '0199f0aa-0000-7000-8000-000000000001';
const event = {
  type: 'thing.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A thing changed.',
  detail: {
    ...{ of: count, by: user, why: code, kind: oneOf('a', 'b'), note: text, called: name },
    parts: listOf(objectOf({ thing: id })),
  },
} as const;
const shows = (detail: object, more: object = {}) =>
  showsOnlyDeclared([{ seq: 7, text: JSON.stringify({ type: 'thing.changed', detail, ...more }) }], [event]);

test('a leaf with declared members, each of its type, is no finding', () => {
  const detail = { of: 1, by: UUID, why: 'asked_for', kind: 'b', parts: [{ thing: UUID }], note: null };
  expect(shows(detail)).toMatchObject({ checked: 1, findings: [] });
  expect(shows({})).toMatchObject({ checked: 1, findings: [] });
});

test.each<[string, object]>([
  ['a member that no event declares', { other: 1 }],
  ['a member of every object', { constructor: 1 }],
  ['a text that only its commitment may show', { note: 'lost' }],
  ['the name of a thing', { called: 'billing' }],
  ['a number that is a text', { of: '1' }],
  ['an id that is not ours', { by: '123-45-6789' }],
  ['a value outside its list', { kind: 'c' }],
  ['a sentence in place of a code', { why: 'he asked; twice' }],
  ['an undeclared member of an object', { parts: [{ thing: UUID, other: 1 }] }],
])('a leaf that shows %s is a finding', (_, detail) => expect(shows(detail).findings).toHaveLength(1));

test('what a client wrote is a finding wherever a leaf shows it', () => {
  for (const actor of ['ada@people.test', 'chaos-12', '127.0.0.1'])
    expect(shows({}, { actor }).findings[0]?.text).toContain('leaf 7 (thing.changed) shows');
});

test('an event that no module declares shows no member', () => {
  expect(shows({ of: 1 }, { type: 'other' }).findings).toHaveLength(1);
  expect(shows({}, { type: 'undeclared' }).findings).toEqual([]);
});

test('a log without leaves fails', () => expect(isFailed(showsOnlyDeclared([], [event]))).toBe(true));
