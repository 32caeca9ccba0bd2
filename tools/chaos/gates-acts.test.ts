import { describe, expect, test } from 'vitest';
import { exampleAct } from './example-facts.ts';
import { isFailed } from './gates.ts';
import { auditedActs } from './gates-acts.ts';
import { type Act, createLedger } from './ledger.ts';

const TYPE = 'token.family_created';
const attempt = (at: number, sentAtMs: number, endedAtMs = sentAtMs + 100): Act['attempts'][number] => ({
  ...{ traceId: `trace-${at}`, sentAtMs, endedAtMs },
});
const act = (over: Partial<Act> = {}): Act => exampleAct({ attempts: [attempt(1, 2_000)], ...over });
/** How often each attempt wrote its event. */
const written = (...times: readonly number[]): Map<string, Map<string, number>> =>
  new Map(times.map((n, at) => [`trace-${at + 1}`, new Map([[TYPE, n]])]));
const findingsOf = (acts: readonly Act[], events: Map<string, Map<string, number>>, rewind?: object): number => {
  const ledger = createLedger();
  ledger.acts.push(...acts);
  if (rewind) ledger.rewinds.push({ backupAtMs: 0, startedAtMs: 0, ...rewind });
  return auditedActs(ledger, events).findings.length;
};
const unanswered = ({ ackedAtMs: _unused, ...rest }: Act): Act => rest;
const twoAttempts = { attempts: [attempt(1, 2_000), attempt(2, 2_050)] };

test.each([
  ['acknowledged and written', act(), [1], 0],
  ['acknowledged and missing', act(), [0], 1],
  ['written twice', act(), [2], 1],
  ['written twice by two repeatable requests', act({ isRepeatable: true, ...twoAttempts }), [1, 1], 0],
  ['written twice by two requests of one act', act(twoAttempts), [1, 1], 1],
  ['written twice with one idempotency key', act({ hasIdempotencyKey: true, ...twoAttempts }), [1, 1], 1],
  ['not acknowledged and missing', unanswered(act()), [0], 0],
  ['not acknowledged and written twice', unanswered(act()), [2], 1],
] as [string, Act, number[], number][])('an act %s', (_, done, times, findings) => {
  expect(findingsOf([done], written(...times))).toBe(findings);
});

describe('with a rewind', () => {
  const rewind = { backupAtMs: 2_050, startedAtMs: 3_000, acceptingAtMs: 3_900, acceptedAtMs: 4_000 };
  const of = (sentAtMs: number, ...attempts: Act['attempts']): Act =>
    act({ sentAtMs, ackedAtMs: 6_000, hasIdempotencyKey: true, attempts });

  test('what an accepted loss took is not missing; what came before the backup is', () => {
    expect(findingsOf([act()], written(0), rewind)).toBe(0);
    const before = act({ sentAtMs: 1_000, ackedAtMs: 2_000 });
    const after = act({ sentAtMs: 4_001, ackedAtMs: 4_100 });
    expect(findingsOf([before, after], written(0), rewind)).toBe(2);
  });

  const at = (...sentAtMs: number[]) => sentAtMs.map((each, before) => attempt(before + 1, each));
  const around = at(1_500, 4_500);
  test.each([
    ['kept in the backup without an answer and repeated after the loss', around, [1, 1], 0],
    ['lost without an answer and repeated after the loss', around, [0, 1], 0],
    ['lost without an answer and not repeated, yet acknowledged', around, [0, 0], 1],
    ['repeated, with an attempt open while the loss is accepted', at(1_500, 3_950), [1, 1], 0],
    ['written twice by one request that was open then', at(1_500, 3_950), [0, 2], 1],
    ['written twice by requests before it', at(1_000, 1_500), [1, 1], 1],
    ['written twice by requests before it, the second at the older database', at(1_000, 3_000), [1, 1], 1],
    ['written twice by requests after it', at(4_000, 4_500), [1, 1], 1],
    ['kept, and repeated twice after it', at(1_500, 4_000, 4_500), [1, 1, 1], 1],
    ['written in three requests, one of them open while the loss is accepted', at(1_500, 3_950, 5_000), [1, 1, 1], 1],
  ] as [string, Act['attempts'], number[], number][])(
    'an act with an idempotency key, %s',
    (_, attempts, times, findings) => {
      const done = of(attempts[0]!.sentAtMs, ...attempts);
      expect(findingsOf([done], written(...times), rewind)).toBe(findings);
      // The same of one that was never acknowledged, for which nothing is missing.
      const isMissing = times.every((n) => n === 0);
      expect(findingsOf([unanswered(done)], written(...times), rewind)).toBe(isMissing ? 0 : findings);
    },
  );

  test('an act whose repetition its own state prevents is written once, also around a rewind', () => {
    const done = { ...of(1_500, ...around), hasIdempotencyKey: false };
    expect(findingsOf([done], written(1, 1), rewind)).toBe(1);
  });

  test.each([
    ['asked for before the backup and acknowledged after the loss', 1_500, 4_500, 0],
    ['asked for and acknowledged before the backup', 1_500, 2_000, 1],
    ['asked for after the loss', 4_000, 4_500, 1],
  ])(
    'an act on a token family, which the accepted loss ended, without an event: %s',
    (_, sentAtMs, ackedAtMs, findings) => {
      const family = { id: 'family-1', history: [] } as unknown as Act['subject'];
      const revocation = { kind: 'revocation of a family', subject: family, sentAtMs, ackedAtMs };
      const done = act({ ...revocation, attempts: [attempt(1, sentAtMs)] });
      expect(findingsOf([done], written(0), rewind)).toBe(findings);
      expect(findingsOf([{ ...done, kind: 'refresh' }], written(0), rewind)).toBe(1);
    },
  );

  test('nothing is forgotten before a loss is accepted', () => {
    const { acceptingAtMs: _accepting, acceptedAtMs: _accepted, ...open } = rewind;
    const done = of(1_500, attempt(1, 1_500), attempt(2, 1_900));
    expect(findingsOf([{ ...done, ackedAtMs: 2_000 }], written(1, 1), open)).toBe(1);
  });
});

test('an act that need not have an event is no fact about the log', () => {
  const ledger = createLedger();
  ledger.acts.push(act({ events: [] }));
  expect(auditedActs(ledger, new Map()).checked).toBe(0);
});

test('a ledger without acts fails', () => {
  const gate = auditedActs(createLedger(), new Map());
  expect(gate).toMatchObject({ checked: 0, findings: [] });
  expect(isFailed(gate)).toBe(true);
});
