import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outcomeOf, outcomeOfCall } from '#testing/outcome.ts';
import { createMarkedGuard } from './database-guard.ts';
import { assertMayIssue } from './revocation-set.ts';
import { createPollHarness, type PollHarness, turn } from './state-poll-harness.ts';

let harness: PollHarness;
beforeEach(async () => {
  harness = createPollHarness();
  await harness.started();
});
afterEach(() => harness.close());

const issuing = (): string => outcomeOfCall(() => assertMayIssue(harness.set));

describe('a copy that lost a connection', () => {
  test('issues nothing until a poll that was sent after the loss is answered; it still validates', async () => {
    harness.isAutomatic = false;
    const before = harness.poll.wake();
    expect(harness.asked).toHaveLength(1);
    harness.databaseGuard.doubt();
    expect([issuing(), harness.set.refusal()]).toEqual(['revocation_state_stale', null]);
    // This one was sent before.
    harness.asked[0]!.answer();
    await before;
    expect(issuing()).toBe('revocation_state_stale');
    await turn();
    // It asks again at once: a single lost connection costs a moment.
    expect(harness.asked).toHaveLength(2);
    harness.asked[1]!.answer();
    await turn();
    expect(issuing()).toBe('ok');
  });

  test('reads the marks again: what another copy has seen since counts', async () => {
    harness.stored = { incarnation: 'i1', revocationEpoch: 4, beat: 1 };
    harness.databaseGuard.doubt();
    await harness.poll.wake();
    expect(issuing()).toBe('state_rewound');
  });

  test('issues nothing while the marks cannot be read, and validates by those that it knows', async () => {
    const working = harness.marks.read;
    harness.marks.read = () => Promise.reject(new Error('no bucket'));
    harness.databaseGuard.doubt();
    await harness.poll.wake();
    expect([issuing(), harness.set.refusal()]).toEqual(['revocation_state_stale', null]);
    harness.marks.read = working;
    await harness.poll.wake();
    expect(issuing()).toBe('ok');
  });

  test('does not wait for marks that do not come: it reads revocations on, and validates by the marks it knows', async () => {
    harness.marks.read = () => new Promise(() => {});
    harness.revoke('t1');
    harness.databaseGuard.doubt();
    await harness.poll.wake();
    expect(harness.isRevoked('t1')).toBe(true);
    expect([issuing(), harness.set.refusal()]).toEqual(['revocation_state_stale', null]);
    await harness.poll.wake();
    expect(harness.lines.filter((line) => line.startsWith('the marks cannot be read'))).toHaveLength(1);
  });

  test('whose poll fails issues nothing until one is answered', async () => {
    harness.isAutomatic = false;
    const failing = harness.poll.wake();
    harness.asked[0]!.answer(new Error('gone'));
    await failing;
    expect(issuing()).toBe('revocation_state_stale');
    harness.isAutomatic = true;
    await harness.poll.wake();
    expect(issuing()).toBe('ok');
  });

  test('that loses another while it asks, asks once more', async () => {
    harness.isAutomatic = false;
    harness.databaseGuard.doubt();
    await turn();
    harness.databaseGuard.doubt();
    harness.asked[0]!.answer();
    await turn();
    expect([issuing(), harness.asked.length]).toEqual(['revocation_state_stale', 2]);
    harness.asked[1]!.answer();
    await turn();
    expect(issuing()).toBe('ok');
  });

  test('lets what is to be written wait for that poll, and refuses it where the poll fails', async () => {
    harness.isAutomatic = false;
    harness.databaseGuard.doubt();
    await turn();
    const written = harness.databaseGuard.expected();
    harness.asked[0]!.answer();
    await turn();
    for (const { answer } of harness.asked.slice(1)) answer();
    expect(await written).toEqual({ incarnation: 'i1', revocationEpoch: 0, beat: 1 });
    harness.databaseGuard.doubt();
    await turn();
    const refused = outcomeOf(harness.databaseGuard.expected());
    for (let at = harness.asked.length - 1; at < harness.asked.length; at += 1) {
      harness.asked[at]!.answer(new Error('gone'));
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
    const expected = await harness.databaseGuard.expected();
    expect(outcomeOfCall(() => harness.databaseGuard.check(state, expected))).toBe(outcome);
    expect(harness.databaseGuard.isInDoubt()).toBe(outcome !== 'ok');
  });

  test('is compared with nothing before a first answer', async () => {
    const fresh = createPollHarness();
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
