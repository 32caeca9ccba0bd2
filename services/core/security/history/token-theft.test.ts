import { expect, test } from 'vitest';
import { isUsedByTwo } from './token-theft.ts';

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
