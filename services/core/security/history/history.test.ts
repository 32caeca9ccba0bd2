import { describe, expect, test } from 'vitest';
import { type AgentUse, signalsOf } from './agent-anomaly.ts';
import { leastDistanceKm } from './countries.ts';
import { travelledFrom } from './impossible-travel.ts';
import { machineSignUps, type SignUp } from './machine-sign-ups.ts';
import { burstOf, type PrivilegeChange } from './privilege-burst.ts';
import { isUsedByTwo } from './token-theft.ts';

const past: AgentUse['past'] = {
  acts: 200,
  refused: 2,
  days: 10,
  busiest: 8,
  kinds: ['tasks:read'],
  hours: [8, 9, 10],
};
const now: AgentUse['now'] = { acts: 5, refused: 0, kinds: ['tasks:read'], hours: [9] };
const signals = (changed: Partial<AgentUse['now']>, before: Partial<AgentUse['past']> = {}) =>
  signalsOf({ now: { ...now, ...changed }, past: { ...past, ...before } });

test('an agent that leaves its past in two ways is an anomaly', () => {
  expect(signals({ acts: 60, hours: [3] })).toEqual(['rate', 'hours']);
  expect(signals({ kinds: ['a', 'b', 'c'], acts: 12, refused: 7 })).toEqual(['new_kinds', 'refused']);
});

test.each([
  ['what it always does', {}],
  ['a deployment', { acts: 60 }],
  ['a release that asks for more', { kinds: ['a', 'b', 'c'] }],
  ['a forgotten permission', { refused: 5 }],
  ['work at night', { hours: [3] }],
])('%s is no anomaly', (_which, changed) => expect(signals(changed)).toEqual([]));

test('an agent without a past has none to leave', () => {
  const burst = { acts: 500, hours: [3], kinds: ['a', 'b', 'c'] };
  expect([signals(burst, { acts: 29 }), signals(burst, { days: 2 })]).toEqual([[], []]);
});

test('refusals that an agent always had are no signal', () =>
  expect(signals({ acts: 10, refused: 6, hours: [3] }, { refused: 60 })).toEqual([]));

/** One a quarter of a minute. */
const signUps = (count: number, more: (n: number) => Partial<SignUp>): SignUp[] =>
  Array.from({ length: count }, (_, n) => ({
    seq: n,
    at: n * 15_000,
    network: `network ${n}`,
    agent: 'browser',
    pattern: `person ${n}@mail.test`,
    has_digits: false,
    verified_at: null,
    ...more(n),
  }));

test('many unverified accounts of one network are made by a machine', () =>
  expect(machineSignUps(signUps(40, () => ({ network: 'one' })))).toEqual({
    by: 'network',
    signUps: 40,
    unverified: 20,
  }));

test('a burst by one program is a machine before a person could read a mail', () => {
  const burst = (agents: number) =>
    signUps(30, (n) => ({ network: 'one', at: n * 2_000, agent: `browser ${n % agents}` }));
  expect(machineSignUps(burst(1))).toEqual({ by: 'network', signUps: 30, unverified: 30 });
  expect(machineSignUps(burst(4))).toBeNull();
});

test('counted addresses give a machine away whatever network it uses', () => {
  const counted = signUps(40, () => ({ pattern: 'reader#@mail.test', has_digits: true }));
  expect(machineSignUps(counted)).toEqual({ by: 'pattern', signUps: 40, unverified: 20 });
});

test.each([
  ['no account', []],
  ['accounts from everywhere', signUps(100, () => ({}))],
  ['a network whose people have had no time to read the mail', signUps(19, () => ({ network: 'one' }))],
  [
    'a conference, where one in five does not read it',
    signUps(100, (n) => ({ network: 'one', verified_at: n % 5 === 0 ? null : n * 15_000 + 60_000 })),
  ],
  ['one name without digits at one provider', signUps(40, () => ({ pattern: 'info@mail.test' }))],
  ['accounts of a network over hours', signUps(40, (n) => ({ network: 'one', at: n * 600_000 }))],
])('%s is no work of a machine', (_which, all) => expect(machineSignUps(all)).toBeNull());

const change = (minute: number, subject: string, more: Partial<PrivilegeChange> = {}): PrivilegeChange => ({
  at: minute * 60_000,
  type: 'user.role_granted',
  isStrong: true,
  subject,
  ...more,
});

test('three strong changes within ten minutes are a burst', () => {
  const key = change(3, 'key', { type: 'api_key.created' });
  expect(burstOf([change(0, 'ada'), key, change(9, 'bob')])).toEqual({ changes: 3, kinds: 2 });
});

test.each([
  ['none', []],
  ['two', [change(0, 'ada'), change(1, 'bob')]],
  ['three in eleven minutes', [change(0, 'ada'), change(5, 'bob'), change(11, 'eve')]],
  ['the same change again', [change(0, 'ada'), change(1, 'ada'), change(2, 'ada')]],
  ['many ordinary roles', Array.from({ length: 60 }, (_, n) => change(n / 10, `user ${n}`, { isStrong: false }))],
  ['a strong one before ordinary ones', [change(0, 'ada'), change(1, 'bob', { isStrong: false })]],
])('%s are no burst', (_which, changes) => expect(burstOf(changes)).toBeNull());

const use = (minute: number, network: string | null, agent: string | null, outcome = 'kept') => ({
  at: minute * 60_000,
  outcome,
  network,
  agent,
});
const owner = (minute: number) => use(minute, 'home', 'app');
const thief = (minute: number) => use(minute, 'elsewhere', 'script');

test('two programs that take turns within an hour are two parties', () =>
  expect(isUsedByTwo(owner(30), [thief(20), owner(10)])).toBe(true));

test('another program in another network that repeats a token in its grace window is a second party', () =>
  expect(isUsedByTwo(use(0.1, 'elsewhere', 'script', 'grace'), [use(0, 'home', 'app', 'rotated')])).toBe(true));

test.each([
  ['the first use', owner(0), []],
  ['a phone that changes its network and comes back', use(30, 'home', 'app'), [use(20, 'mobile', 'app'), owner(10)]],
  ['an app that was updated in another network', use(30, 'mobile', 'app 2'), [owner(20), owner(10)]],
  ['turns that are more than an hour apart', owner(90), [thief(80), owner(10)]],
  ['a repeated answer in another network', use(0.1, 'mobile', 'app', 'grace'), [use(0, 'home', 'app', 'rotated')]],
  ['an erased or unknown origin', use(30, null, null), [thief(20), owner(10)]],
])('%s is one party', (_which, latest, earlier) => expect(isUsedByTwo(latest, earlier)).toBe(false));

const HOUR = 3_600_000;
const at = (hours: number, country: string | null, agent = 'Firefox') => ({ at: hours * HOUR, country, agent });
const away = (hours: number, country: string | null, agent = 'curl') => at(hours, country, agent);

describe('the least distance between two countries', () => {
  test('is less than that of any two of their cities, in km', () => {
    const frankfurtToNarita = 9_300;
    const distance = leastDistanceKm('DE', 'JP') ?? 0;
    expect(distance).toBeGreaterThan(5_000);
    expect(distance).toBeLessThan(frankfurtToNarita);
    expect(leastDistanceKm('JP', 'DE')).toBe(distance);
  });

  test.each(['DE FR', 'US CA', 'US MX', 'GB FR', 'RU CN', 'ES MA', 'IN IN'])('is zero for neighbours: %s', (pair) => {
    expect(leastDistanceKm(pair.slice(0, 2), pair.slice(3))).toBe(0);
  });

  test('is unknown for a code that is no country', () => expect(leastDistanceKm('DE', 'ZZ')).toBeUndefined());
});

describe('a sign-in is impossible travel', () => {
  test('if no aeroplane is fast enough', () =>
    expect(travelledFrom(away(2, 'JP'), [at(0, 'DE')])).toEqual(at(0, 'DE')));

  test('even if the user signed in from an unknown country in between', () =>
    expect(travelledFrom(away(2, 'JP'), [at(1, null), at(0, 'DE')])).toEqual(at(0, 'DE')));

  test('if it is across a border within ten minutes', () =>
    expect(travelledFrom(away(0.1, 'FR'), [at(0, 'DE')])).toEqual(at(0, 'DE')));

  test.each([
    ['after a flight', away(14, 'JP'), [at(0, 'DE')]],
    ['in the next country', away(0.2, 'FR'), [at(0, 'DE')]],
    ['from an unknown country', away(1, null), [at(0, 'DE')]],
    ['after a sign-in from an unknown country', away(1, 'JP'), [at(0, null)]],
    ['from a country where the user was before', away(50, 'JP'), [at(49, 'DE'), at(0, 'JP')]],
    ['with a browser that the user had before', at(2, 'JP'), [at(0, 'DE')]],
    ['that is the first of its user', away(2, 'JP'), []],
  ])('but not one %s', (_which, signIn, earlier) => expect(travelledFrom(signIn, earlier)).toBeUndefined());
});
