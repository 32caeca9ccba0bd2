import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outcomeOf, outcomeOfCall } from '../../../platform/testing/outcome.ts';
import { createPollWorld, type PollWorld, turn } from '../../../platform/testing/worlds/poll-world.ts';
import { createMarkedGuard } from './database-guard.ts';
import { assertMayIssue } from './revocation-set.ts';

let world: PollWorld;
beforeEach(async () => {
  world = createPollWorld();
  await world.started();
});
afterEach(() => world.close());

const issuing = (): string => outcomeOfCall(() => assertMayIssue(world.set));

describe('a copy that lost a connection', () => {
  test('issues nothing until a poll that was sent after the loss is answered; it still validates', async () => {
    world.isAutomatic = false;
    const before = world.poll.wake();
    expect(world.asked).toHaveLength(1);
    world.databaseGuard.doubt();
    expect([issuing(), world.set.refusal()]).toEqual(['revocation_state_stale', null]);
    // This one was sent before.
    world.asked[0]!.answer();
    await before;
    expect(issuing()).toBe('revocation_state_stale');
    await turn();
    // It asks again at once: a single lost connection costs a moment.
    expect(world.asked).toHaveLength(2);
    world.asked[1]!.answer();
    await turn();
    expect(issuing()).toBe('ok');
  });

  test('reads the marks again: what another copy has seen since counts', async () => {
    world.stored = { incarnation: 'i1', revocationEpoch: 4, beat: 1 };
    world.databaseGuard.doubt();
    await world.poll.wake();
    expect(issuing()).toBe('state_rewound');
  });

  test('issues nothing while the marks cannot be read, and validates by those that it knows', async () => {
    const working = world.marks.read;
    world.marks.read = () => Promise.reject(new Error('no bucket'));
    world.databaseGuard.doubt();
    await world.poll.wake();
    expect([issuing(), world.set.refusal()]).toEqual(['revocation_state_stale', null]);
    world.marks.read = working;
    await world.poll.wake();
    expect(issuing()).toBe('ok');
  });

  test('does not wait for marks that do not come: it reads revocations on, and validates by the marks it knows', async () => {
    world.marks.read = () => new Promise(() => {});
    world.revoke('t1');
    world.databaseGuard.doubt();
    await world.poll.wake();
    expect(world.isRevoked('t1')).toBe(true);
    expect([issuing(), world.set.refusal()]).toEqual(['revocation_state_stale', null]);
    await world.poll.wake();
    expect(world.lines.filter((line) => line.startsWith('the marks cannot be read'))).toHaveLength(1);
  });

  test('whose poll fails issues nothing until one is answered', async () => {
    world.isAutomatic = false;
    const failing = world.poll.wake();
    world.asked[0]!.answer(new Error('gone'));
    await failing;
    expect(issuing()).toBe('revocation_state_stale');
    world.isAutomatic = true;
    await world.poll.wake();
    expect(issuing()).toBe('ok');
  });

  test('that loses another while it asks, asks once more', async () => {
    world.isAutomatic = false;
    world.databaseGuard.doubt();
    await turn();
    world.databaseGuard.doubt();
    world.asked[0]!.answer();
    await turn();
    expect([issuing(), world.asked.length]).toEqual(['revocation_state_stale', 2]);
    world.asked[1]!.answer();
    await turn();
    expect(issuing()).toBe('ok');
  });

  test('lets what is to be written wait for that poll, and refuses it where the poll fails', async () => {
    world.isAutomatic = false;
    world.databaseGuard.doubt();
    await turn();
    const written = world.databaseGuard.expected();
    world.asked[0]!.answer();
    await turn();
    for (const { answer } of world.asked.slice(1)) answer();
    expect(await written).toEqual({ incarnation: 'i1', revocationEpoch: 0, beat: 1 });
    world.databaseGuard.doubt();
    await turn();
    const refused = outcomeOf(world.databaseGuard.expected());
    for (let at = world.asked.length - 1; at < world.asked.length; at += 1) {
      world.asked[at]!.answer(new Error('gone'));
      await turn();
    }
    expect(await refused).toBe('revocation_state_stale');
  });
});

describe('what a transaction shows', () => {
  const shown = { incarnation: 'i1', revocationEpoch: 0, beat: 1, replaced: [] as string[] };

  test.each([
    ['is at what was expected', shown, 'ok'],
    ['is ahead of it', { ...shown, revocationEpoch: 3, beat: 9 }, 'ok'],
    ['has fewer revocations', { ...shown, revocationEpoch: -1 }, 'state_rewound'],
    ['has an older beat', { ...shown, beat: 0 }, 'state_rewound'],
    ['is another history', { ...shown, incarnation: 'i0' }, 'state_rewound'],
    // Right, but this copy has the keys and revocations of before: its poll reads those first.
    ['follows an accepted loss', { ...shown, incarnation: 'i2', replaced: ['i1'] }, 'state_rewound'],
    ['is nothing', undefined, 'state_rewound'],
  ])('%s: %s', async (_what, state, outcome) => {
    const expected = await world.databaseGuard.expected();
    expect(outcomeOfCall(() => world.databaseGuard.check(state, expected))).toBe(outcome);
    expect(world.databaseGuard.isInDoubt()).toBe(outcome !== 'ok');
  });

  test('is compared with nothing before a first answer', async () => {
    const fresh = createPollWorld();
    expect(await fresh.databaseGuard.expected()).toBeNull();
    fresh.databaseGuard.doubt();
    expect(await fresh.databaseGuard.expected()).toBeNull();
    expect(outcomeOfCall(() => fresh.databaseGuard.check(shown, null))).toBe('ok');
    await fresh.close();
  });
});

describe('a process without a poll', () => {
  test('keeps to the newer history, though a transaction that began before it answers later', async () => {
    const before = { incarnation: 'i1', revocationEpoch: 3, beat: 1 };
    const after = { incarnation: 'i2', revocationEpoch: 4, beat: 2 };
    const guard = createMarkedGuard({ read: async () => before });
    const expected = await guard.expected();
    guard.check({ ...after, replaced: ['i1'] }, expected);
    guard.check({ ...before, replaced: [] }, expected);
    expect(await guard.expected()).toEqual(after);
  });
});
