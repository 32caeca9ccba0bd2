import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outcomeOf, outcomeOfCall } from '#tools/testing/outcome.ts';
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
  test('issues no token until a poll that was sent after the loss is answered; it still validates', async () => {
    harness.isAutomatic = false;
    const before = harness.poll.wake();
    expect(harness.asked).toHaveLength(1);
    harness.databaseGuard.doubt();
    expect([issuing(), harness.set.refusal()]).toEqual(['revocation_state_stale', null]);
    // This poll was sent before the loss.
    harness.asked[0]!.answer();
    await before;
    expect(issuing()).toBe('revocation_state_stale');
    await turn();
    // The next poll is sent at once, so a single lost connection delays issuing only briefly.
    expect(harness.asked).toHaveLength(2);
    harness.asked[1]!.answer();
    await turn();
    expect(issuing()).toBe('ok');
  });

  test('reads the high-water marks again, because another copy may have seen a newer state', async () => {
    harness.stored = { incarnation: 'i1', revocationEpoch: 4, beat: 1 };
    harness.databaseGuard.doubt();
    await harness.poll.wake();
    expect(issuing()).toBe('state_rewound');
  });

  test('issues no token while the high-water marks cannot be read, and validates by the marks that it knows', async () => {
    const working = harness.marks.read;
    harness.marks.read = () => Promise.reject(new Error('no bucket'));
    harness.databaseGuard.doubt();
    await harness.poll.wake();
    expect([issuing(), harness.set.refusal()]).toEqual(['revocation_state_stale', null]);
    harness.marks.read = working;
    await harness.poll.wake();
    expect(issuing()).toBe('ok');
  });

  test('does not wait for a mark store that hangs: it keeps reading revocations, and validates by the marks that it knows', async () => {
    harness.marks.read = () => new Promise(() => {});
    harness.revoke('t1');
    harness.databaseGuard.doubt();
    await harness.poll.wake();
    expect(harness.isRevoked('t1')).toBe(true);
    expect([issuing(), harness.set.refusal()]).toEqual(['revocation_state_stale', null]);
    await harness.poll.wake();
    expect(harness.lines.filter((line) => line.startsWith('high-water marks cannot be read'))).toHaveLength(1);
  });

  test('issues no token after a failed poll until one is answered', async () => {
    harness.isAutomatic = false;
    const failing = harness.poll.wake();
    harness.asked[0]!.answer(new Error('gone'));
    await failing;
    expect(issuing()).toBe('revocation_state_stale');
    harness.isAutomatic = true;
    await harness.poll.wake();
    expect(issuing()).toBe('ok');
  });

  test('that loses another connection during the poll polls once more', async () => {
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

  test('makes writes wait for that poll, and refuses them if the poll fails', async () => {
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

describe('the state that a transaction returns', () => {
  const shown = { incarnation: 'i1', revocationEpoch: 0, beat: 1, replaced: [] as string[] };

  test.each([
    ['equals the expected one', shown, 'ok'],
    ['is ahead of the expected one', { ...shown, revocationEpoch: 3, beat: 9 }, 'ok'],
    ['has fewer revocations', { ...shown, revocationEpoch: -1 }, 'state_rewound'],
    ['has an older beat', { ...shown, beat: 0 }, 'state_rewound'],
    ['belongs to another incarnation', { ...shown, incarnation: 'i0' }, 'state_rewound'],
    // The database is the right one, but this copy must first read its keys and revocations.
    ['follows an accepted loss', { ...shown, incarnation: 'i2', replaced: ['i1'] }, 'state_rewound'],
    ['is nothing', undefined, 'state_rewound'],
  ])('%s: %s', async (_what, state, outcome) => {
    const expected = await harness.databaseGuard.expected();
    expect(outcomeOfCall(() => harness.databaseGuard.check(state, expected))).toBe(outcome);
    expect(harness.databaseGuard.isInDoubt()).toBe(outcome !== 'ok');
  });

  test('is not checked before the first answer of the database', async () => {
    const fresh = createPollHarness();
    expect(await fresh.databaseGuard.expected()).toBeNull();
    fresh.databaseGuard.doubt();
    expect(await fresh.databaseGuard.expected()).toBeNull();
    expect(outcomeOfCall(() => fresh.databaseGuard.check(shown, null))).toBe('ok');
    await fresh.close();
  });
});

describe('a process without a poll', () => {
  test('keeps the newer incarnation when a transaction of the older one ends later', async () => {
    const before = { incarnation: 'i1', revocationEpoch: 3, beat: 1 };
    const after = { incarnation: 'i2', revocationEpoch: 4, beat: 2 };
    const guard = createMarkedGuard({ read: async () => before });
    const expected = await guard.expected();
    guard.check({ ...after, replaced: ['i1'] }, expected);
    guard.check({ ...before, replaced: [] }, expected);
    expect(await guard.expected()).toEqual(after);
  });
});
