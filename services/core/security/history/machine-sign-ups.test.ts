import { expect, test } from 'vitest';
import { machineSignUps, type SignUp } from './machine-sign-ups.ts';

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
])('%s is not', (_which, all) => expect(machineSignUps(all)).toBeNull());
