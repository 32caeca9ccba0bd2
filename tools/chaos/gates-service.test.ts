import { describe, expect, test } from 'vitest';
import { exampleExchange as exchange, examplePeriod as period } from './example-facts.ts';
import { type Gate, isFailed } from './gates.ts';
import { floods, hangs, type Period, recoveries, recoveryBoundMs } from './gates-service.ts';
import { createLedger, type Exchange, type Ledger, SURFACES } from './ledger.ts';

const findingsOf = ({ findings }: Gate): number => findings.length;
const RUN = [10_000, 60_000] as const;

describe('recovery', () => {
  test.each([
    [1, 10_000],
    [2, 10_000],
    [4, 20_000],
    [100, 60_000],
  ])('at a stretch of %i may take %i ms', (stretch, ms) => expect(recoveryBoundMs(stretch)).toBe(ms));

  test.each([
    ['within ten seconds of a quiet machine', period({ servedAtMs: 31_000 }), 0],
    ['later on a quiet machine', period({ servedAtMs: 31_001 }), 1],
    ['later on a busy machine', period({ servedAtMs: 31_001, stretch: 3 }), 0],
    ['after the longest time', period({ servedAtMs: 82_000, stretch: 50 }), 1],
  ])('%s', (_, was, findings) => expect(findingsOf(recoveries([was]))).toBe(findings));
});

describe('requests that hang', () => {
  const hung = (over: Partial<Exchange> = {}): Exchange =>
    exchange({ status: 0, waitedMs: 5_000, endedAtMs: 27_000, ...over });
  const twice = (over: Partial<Exchange> = {}): Exchange[] => [hung(over), hung(over)];
  const frozen = [period({ frozen: ['A'] })];
  const gateOf = (was: readonly Exchange[], by: Period[] = [period()]): Gate => {
    const ledger = createLedger();
    ledger.exchanges.push(...was);
    return hangs(ledger, by, RUN);
  };
  test.each([
    ['as many as the fault declares', [hung()], [period()], 0],
    ['more than the fault declares', twice(), [period()], 1],
    ['more, on a machine that is twice as busy', twice(), [period({ stretch: 4 })], 0],
    ['while nothing was wrong', [hung({ sentAtMs: 40_000, endedAtMs: 45_000 })], [period()], 1],
    ['at a copy that the fault froze', twice({ sentAtMs: 20_500 }), frozen, 0],
    ['at the other copy', twice({ copy: 'B' }), frozen, 1],
    ['at a copy that goes on already', twice(), frozen, 1],
    ['with too little patience', twice({ waitedMs: 2_000 }), [period()], 0],
    ['without a connection', [exchange({ status: 0 }), exchange({ status: 0 })], [period()], 0],
  ] as [string, Exchange[], Period[], number][])('%s', (_, was, by, findings) => {
    expect(findingsOf(gateOf(was, by))).toBe(findings);
  });
});

describe('surfaces that answer only 503', () => {
  /** Every surface serves all the time, but for what is given. */
  const ledgerOf = (over: (at: Exchange) => Partial<Exchange>): Ledger => {
    const ledger = createLedger();
    for (const surface of SURFACES)
      for (let sentAtMs = 11_000; sentAtMs < 59_000; sentAtMs += 1_000) {
        const at = exchange({ surface, sentAtMs, endedAtMs: sentAtMs + 10 });
        ledger.exchanges.push({ ...at, ...over(at) });
      }
    return ledger;
  };
  const isAgents = ({ surface }: Exchange): boolean => surface === 'agents';
  test.each([
    ['in the whole run', (at: Exchange) => (isAgents(at) ? { status: 503 } : {}), 3],
    ['in a quiet phase', (at: Exchange) => (isAgents(at) && at.sentAtMs >= 25_000 ? { status: 503 } : {}), 1],
    ['while a fault lasts', (at: Exchange) => (at.sentAtMs > 20_000 && at.sentAtMs < 25_000 ? { status: 503 } : {}), 0],
    ['with one other answer', (at: Exchange) => ({ status: at.sentAtMs % 7_000 === 0 ? 200 : 503 }), 0],
  ] as [string, (at: Exchange) => Partial<Exchange>, number][])('%s', (_, over, findings) => {
    expect(findingsOf(floods(ledgerOf(over), [period()], RUN))).toBe(findings);
  });

  test('in a quiet phase of a busy machine, where more answers are needed to tell', () => {
    const ledger = ledgerOf((at) => (isAgents(at) && at.sentAtMs >= 25_000 ? { status: 503 } : {}));
    expect(findingsOf(floods(ledger, [period({ stretch: 10 })], RUN))).toBe(1);
    expect(findingsOf(floods(ledger, [period({ stretch: 40 })], RUN))).toBe(0);
  });

  test('a surface without any answer is a finding', () => {
    const ledger = ledgerOf((at) => (isAgents(at) ? { status: 0 } : {}));
    expect(floods(ledger, [period()], RUN).findings).toMatchObject([
      { text: expect.stringMatching(/^agents: no answer/) },
    ]);
  });
});

test.each([
  ['recoveries', recoveries([])],
  ['hangs', hangs(createLedger(), [], RUN)],
  ['floods', floods(createLedger(), [], RUN)],
])('%s: a run without facts fails', (_, gate) => expect(isFailed(gate)).toBe(true));
