import { describe, expect, test } from 'vitest';
import { type Gate, isFailed } from './gates.ts';
import { acceptedAfterEnd, keptOnce, refusedWithoutEnd } from './gates-surfaces.ts';
import {
  createLedger,
  type Ledger,
  type Revocation,
  SURFACES,
  type SurfaceName,
  type Usable,
  type Use,
} from './ledger.ts';
import { arrived, arrivedInOrder } from './load/hand-offs.ts';
import { closedByKill, givenOnce, type SignOffRow, startedOnceAndApproved } from './load/surfaces/sign-offs.ts';

const usable = (over: Partial<Usable> = {}): Usable => ({
  surface: 'agents',
  kind: 'secret of an agent',
  id: 'agent-1',
  madeAtMs: 1_000,
  revocations: [],
  history: [],
  ...over,
});
const use = (of: Usable, over: Partial<Use> = {}): Use => ({
  of,
  copy: 'B',
  sentAtMs: 8_000,
  answeredAtMs: 8_010,
  isAccepted: true,
  said: '200',
  ...over,
});
const killed: Revocation = { cause: 'kill of an agent', sentAtMs: 4_900, ackedAtMs: 5_000 };
const findingsOf = ({ findings }: Gate): number => findings.length;
const rewind = { backupAtMs: 4_000, startedAtMs: 6_000, acceptedAtMs: 7_000 };

describe('what was ended', () => {
  test.each([
    ['accepted two seconds after the acknowledgement', 7_000, true, 1],
    ['refused then', 7_000, false, 0],
    ['accepted within two seconds', 6_999, true, 0],
  ])('is %s', (_, sentAtMs, isAccepted, findings) => {
    const ledger = createLedger();
    ledger.uses.push(use(usable({ revocations: [killed] }), { sentAtMs, isAccepted }));
    expect(findingsOf(acceptedAfterEnd(ledger, 'agents'))).toBe(findings);
  });

  test.each(['a withdrawn consent', 'an encrypted value', 'an API key', 'an exchanged token'])('%s too', (kind) => {
    const ledger = createLedger();
    ledger.uses.push(use(usable({ kind, revocations: [killed] })));
    expect(acceptedAfterEnd(ledger, 'agents').findings[0]?.text).toContain(kind);
  });

  test('by an end that a lost database took binds the product to nothing', () => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    ledger.uses.push(use(usable({ revocations: [killed] })));
    expect(acceptedAfterEnd(ledger, 'agents').checked).toBe(0);
  });

  test('a token ends with its signing key and with an accepted loss, a secret does not', () => {
    const ledger = createLedger();
    ledger.keyRevocations.set('key-1', [killed]);
    ledger.globalRevocations.push(killed);
    ledger.uses.push(use(usable({ kid: 'key-1' })), use(usable({ endsWithLoss: true })), use(usable()));
    expect(findingsOf(acceptedAfterEnd(ledger, 'agents'))).toBe(2);
  });
});

test.each([
  ['nothing ended it', {}, false, 1],
  ['nothing ended it, and it is accepted', {}, true, 0],
  ['its end was asked for', { revocations: [{ cause: 'kill', sentAtMs: 7_000 }] }, false, 0],
  ['it was made in a database that was lost', { madeAtMs: 5_000 }, false, 0],
  ['it was made a moment before', { madeAtMs: 6_001 }, false, 0],
] as [string, Partial<Usable>, boolean, number][])('a refusal when %s', (_, over, isAccepted, findings) => {
  const ledger = createLedger();
  if (over.madeAtMs === 5_000) ledger.rewinds.push(rewind);
  ledger.uses.push(use(usable(over), { isAccepted }));
  expect(findingsOf(refusedWithoutEnd(ledger, 'agents'))).toBe(findings);
});

describe('what was acknowledged', () => {
  const rows = (n: number) => new Map([['registration', new Map([['chaos-1', n]])]]);
  test.each([
    ['is there', 2_000, 1, 0],
    ['is missing', 2_000, 0, 1],
    ['is there twice', 2_000, 2, 1],
    ['without an answer is missing', undefined, 0, 0],
    ['without an answer is there twice', undefined, 2, 1],
  ])('%s', (_, ackedAtMs, n, findings) => {
    const ledger = createLedger();
    const times = { sentAtMs: 1_900, ...(ackedAtMs === undefined ? {} : { ackedAtMs }) };
    ledger.entries.push({ surface: 'agents', kind: 'registration', key: 'chaos-1', ...times });
    expect(findingsOf(keptOnce(ledger, 'agents', rows(n)))).toBe(findings);
  });

  test.each([
    ['once by each of two requests around a rewind, which have keys of their own', 1, 0],
    ['twice by one of them', 2, 1],
  ])('is there %s', (_, n, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    const what = { surface: 'agents', kind: 'registration' } as const;
    ledger.entries.push({ ...what, key: 'chaos-1', sentAtMs: 3_900 });
    ledger.entries.push({ ...what, key: 'chaos-2', sentAtMs: 7_500, ackedAtMs: 7_600 });
    const both = new Map([['chaos-1', n] as const, ['chaos-2', 1] as const]);
    const gate = keptOnce(ledger, 'agents', new Map([['registration', both]]));
    expect(gate).toMatchObject({ checked: 2 });
    expect(findingsOf(gate)).toBe(findings);
  });
});

describe('sign-offs', () => {
  const row = (over: Partial<SignOffRow> = {}): SignOffRow => ({
    id: 'so-1',
    state: 'done',
    quorum: 2,
    approvals: 2,
    started: 1,
    ...over,
  });
  const signedOff = (approvals: number[], starts: number[] = [], tokens: boolean[] = []): Ledger => {
    const ledger = createLedger();
    ledger.signOffs.set('so-1', {
      ...{ id: 'so-1', quorum: 2, requestedAtMs: 1_000, tokens },
      approvals: approvals.map((sentAtMs) => ({ role: 'qa', sentAtMs })),
      starts: starts.map((status) => ({ copy: 'A', answeredAtMs: 3_000, status })),
    });
    return ledger;
  };
  const two = [2_000, 2_000];
  test.each([
    ['one start of three, after two approvals', signedOff(two, [409, 200, 409]), [], 0],
    ['two starts', signedOff(two, [200, 200]), [], 1],
    ['a start before the second approval was sent', signedOff([2_000, 4_000], [200]), [], 1],
    ['two events of one start', createLedger(), [row({ started: 2 })], 1],
    ['a running act with one approval of two', createLedger(), [row({ state: 'running', approvals: 1 })], 1],
    ['a started act that failed, of one approval', createLedger(), [row({ state: 'failed', approvals: 1 })], 1],
    ['a pending one without any', createLedger(), [row({ state: 'pending', approvals: 0, started: 0 })], 0],
  ] as [string, Ledger, SignOffRow[], number][])('%s', (_, ledger, rows, findings) => {
    expect(findingsOf(startedOnceAndApproved(ledger, rows))).toBe(findings);
  });

  test.each([
    ['one token of the act', [true], 0],
    ['two tokens', [true, true], 1],
    ['a token of another act', [false], 1],
  ])('%s', (_, tokens, findings) => expect(findingsOf(givenOnce(signedOff(two, [], tokens)))).toBe(findings));

  test('an open one of a killed agent is a finding', () => {
    const open = ['so-1 pending'];
    const killed = { 'agent-1': [], 'agent-2': open };
    expect(findingsOf(closedByKill(Object.entries(killed).map(([id, of]) => ({ id, open: of }))))).toBe(1);
  });
});

describe('hand-offs', () => {
  const arrival = (seq: number, over = {}) => ({ seq, id: `e-${seq}`, subject: 'user:1', atMs: 1_000, ...over });
  const due = [{ seq: 1, id: 'e-1', type: 'user.login' }];

  test('an event that never arrived is a finding', () => {
    const ledger = createLedger();
    expect(findingsOf(arrived(ledger, due))).toBe(1);
    ledger.arrivals.push(arrival(1));
    expect(arrived(ledger, due)).toMatchObject({ checked: 1, findings: [] });
  });

  test.each([
    ['in order', [arrival(1), arrival(2)], 0],
    ['out of order', [arrival(2), arrival(1)], 1],
    ['out of order, of two subjects', [arrival(2), arrival(1, { subject: 'user:2' })], 0],
    ['again after a later one', [arrival(1), arrival(2), arrival(1)], 0],
    ['of an older database, which counts anew', [arrival(2), arrival(1, { atMs: 6_500 })], 0],
  ])('events %s', (_, arrivals, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    ledger.arrivals.push(...arrivals);
    expect(findingsOf(arrivedInOrder(ledger))).toBe(findings);
  });
});

const perSurface = SURFACES.flatMap(
  (surface): [string, (ledger: Ledger, surface: SurfaceName) => Gate, SurfaceName][] => [
    ['ends', acceptedAfterEnd, surface],
    ['goods', refusedWithoutEnd, surface],
    ['rows', (ledger) => keptOnce(ledger, surface, new Map()), surface],
  ],
);
test.each([
  ...perSurface,
  ['starts', (ledger) => startedOnceAndApproved(ledger, []), 'sign-offs'],
  ['given', givenOnce, 'sign-offs'],
  ['kills', () => closedByKill([]), 'sign-offs'],
  ['arrivals', (ledger) => arrived(ledger, []), 'agents'],
  ['order', arrivedInOrder, 'agents'],
] as [string, (ledger: Ledger, surface: SurfaceName) => Gate, SurfaceName][])(
  '%s: a ledger without facts fails',
  (_, gate, surface) => {
    const checked = gate(createLedger(), surface);
    expect(checked).toMatchObject({ checked: 0, findings: [] });
    expect(isFailed(checked)).toBe(true);
  },
);
