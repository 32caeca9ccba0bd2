import { expect, test } from 'vitest';
import { type AgentUse, signalsOf } from './agent-anomaly.ts';

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
])('%s is none', (_which, changed) => expect(signals(changed)).toEqual([]));

test('an agent without a past has none to leave', () => {
  const burst = { acts: 500, hours: [3], kinds: ['a', 'b', 'c'] };
  expect(signals(burst, { acts: 29 })).toEqual([]);
  expect(signals(burst, { days: 2 })).toEqual([]);
});

test('refusals that an agent always had are no signal', () =>
  expect(signals({ acts: 10, refused: 6, hours: [3] }, { refused: 60 })).toEqual([]));
