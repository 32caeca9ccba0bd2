import { describe, expect, test } from 'vitest';
import { type Gate, isFailed } from './gates.ts';
import {
  arrived,
  arrivedInOrder,
  exported,
  exportedInOrder,
  leftAddressesTold,
  signalled,
  signalledInOrder,
  told,
  toldInOrder,
  toldOfSilences,
  toldOnce,
} from './gates-handoffs.ts';
import { closedByKill, finished, type SignOffRow, startedOnceAndApproved } from './gates-signoffs.ts';
import {
  acceptedAfterEnd,
  importedOnce,
  keptOnce,
  openedOnce,
  refusedWithoutEnd,
  registeredWhole,
} from './gates-surfaces.ts';
import { createLedger, type Ledger, type Revocation } from './ledger.ts';
import { SURFACES, type SurfaceName, type Usable, type Use } from './surface-facts.ts';

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
  ['it was made a moment before', { madeAtMs: 7_001 }, false, 0],
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
  const signedOff = (approvals: number[], starts: [number, number][]): Ledger => {
    const ledger = createLedger();
    ledger.signOffs.set('so-1', {
      id: 'so-1',
      quorum: 2,
      requestedAtMs: 1_000,
      approvals: approvals.map((sentAtMs) => ({ role: 'qa', sentAtMs })),
      starts: starts.map(([answeredAtMs, status]) => ({ copy: 'A', answeredAtMs, status })),
    });
    return ledger;
  };
  test.each([
    [
      'one start of three, after two approvals',
      signedOff(
        [2_000, 2_000],
        [
          [3_000, 409],
          [3_000, 200],
          [3_001, 409],
        ],
      ),
      [],
      0,
    ],
    [
      'two starts',
      signedOff(
        [2_000, 2_000],
        [
          [3_000, 200],
          [3_001, 200],
        ],
      ),
      [],
      1,
    ],
    ['a start before the second approval was sent', signedOff([2_000, 4_000], [[3_000, 200]]), [], 1],
    ['two events of one start', createLedger(), [row({ started: 2 })], 1],
    ['a running act with one approval of two', createLedger(), [row({ state: 'running', approvals: 1 })], 1],
    [
      'a started act that failed, with one approval of two',
      createLedger(),
      [row({ state: 'failed', approvals: 1 })],
      1,
    ],
    ['a pending one without any', createLedger(), [row({ state: 'pending', approvals: 0, started: 0 })], 0],
  ] as [string, Ledger, SignOffRow[], number][])('%s', (_, ledger, rows, findings) => {
    expect(findingsOf(startedOnceAndApproved(ledger, rows))).toBe(findings);
  });

  test('an open one of a killed agent is a finding', () => {
    const open = ['so-1 pending'];
    expect(
      findingsOf(
        closedByKill([
          { id: 'agent-1', open: [] },
          { id: 'agent-2', open },
        ]),
      ),
    ).toBe(1);
  });
});

test('what a worker began and did not end is a finding, unless its database was lost', () => {
  const ledger = createLedger();
  const begun = { state: 'queued', isEnded: false };
  const gate = () =>
    finished('reports', ledger, [
      { id: 'r-1', ...begun },
      { id: 'r-2', state: 'done', isEnded: true },
    ]);
  expect(findingsOf(gate())).toBe(1);
  ledger.rewinds.push(rewind);
  ledger.entries.push({ surface: 'reports', kind: 'request', key: 'r-1', sentAtMs: 4_900, ackedAtMs: 5_000 });
  expect(gate()).toMatchObject({ checked: 1, findings: [] });
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

describe('the SIEM export', () => {
  const arrival = (seq: number, over = {}) => ({ seq, id: `e-${seq}`, subject: 'log', atMs: 1_000, ...over });
  const due = [1, 2].map((seq) => ({ seq, id: `e-${seq}`, type: 'user.login' }));

  test('a sealed event that never arrived is a finding, and hand-offs do not count for it', () => {
    const ledger = createLedger();
    ledger.arrivals.push(arrival(1), arrival(2));
    ledger.exported.push(arrival(2));
    expect(exported(ledger, due).findings).toEqual([{ text: 'user.login e-1 (1) never arrived' }]);
    ledger.exported.push(arrival(1));
    expect(exported(ledger, due)).toMatchObject({ checked: 2, findings: [] });
  });

  test.each([
    ['in the order of the log', [arrival(1), arrival(2)], 0],
    ['out of order', [arrival(2), arrival(1)], 1],
    ['again from an earlier one', [arrival(1), arrival(2), arrival(1), arrival(2)], 0],
    ['of an older database, which counts anew', [arrival(2), arrival(1, { atMs: 6_500 })], 0],
  ])('events %s', (_, arrivals, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    ledger.exported.push(...arrivals);
    expect(findingsOf(exportedInOrder(ledger))).toBe(findings);
  });
});

describe('alerts', () => {
  const tell = (id: string, over = {}) => ({
    ...{ id, subject: 'alertmanager:DiskFull', atMs: 1_000, messageId: `message of ${id}` },
    ...over,
  });
  const due = ['a firing', 'b firing', 'a resolved'].map((id, seq) => ({ id, seq, type: 'alertmanager DiskFull' }));

  test('an alert whose end never arrived is a finding', () => {
    const ledger = createLedger();
    ledger.told.push(tell('a firing'), tell('b firing'));
    expect(told(ledger, due).findings).toEqual([{ text: 'alertmanager DiskFull a resolved (2) never arrived' }]);
    ledger.told.push(tell('a resolved'));
    expect(told(ledger, due)).toMatchObject({ checked: 3, findings: [] });
  });

  test('a silence that the target was not told of is a finding, whether it has an alert or none', () => {
    const ledger = createLedger();
    ledger.told.push(tell('a firing'));
    const silences = ['a firing', 'b firing', 'without an alert: c'].map((id, seq) => ({ id, seq, type: 'silence' }));
    expect(toldOfSilences(ledger, silences).findings).toEqual([
      { text: 'silence b firing (1) never arrived' },
      { text: 'silence without an alert: c (2) never arrived' },
    ]);
  });

  test('an address that was left and not told is a finding, unless its database was lost', () => {
    const ledger = createLedger();
    ledger.leftAddresses.push({ address: 'left-1', ackedAtMs: 1_000 }, { address: 'left-2', ackedAtMs: 5_000 });
    expect(leftAddressesTold(ledger).findings.map(({ text }) => text)).toEqual([
      'end of an address left-1 (0) never arrived',
      'end of an address left-2 (1) never arrived',
    ]);
    ledger.lastWords.push({ id: 'left-1', subject: 'left-1', atMs: 2_000 });
    ledger.rewinds.push(rewind);
    expect(leftAddressesTold(ledger)).toMatchObject({ checked: 1, findings: [] });
  });

  test.each([
    ['in order', [tell('a firing'), tell('b firing'), tell('a resolved')], 0],
    ['out of order', [tell('b firing'), tell('a firing')], 1],
    ['out of order, of two groups', [tell('b firing'), tell('a firing', { subject: 'incident:x' })], 0],
    ['again after a later one', [tell('a firing'), tell('b firing'), tell('a firing')], 0],
  ])('alerts %s', (_, arrivals, findings) => {
    const ledger = createLedger();
    ledger.told.push(...arrivals);
    expect(findingsOf(toldInOrder(ledger, due))).toBe(findings);
  });

  test('an end that arrives before its beginning is a finding, even if it was planned so', () => {
    const ledger = createLedger();
    ledger.told.push(tell('a resolved'), tell('a firing'));
    expect(
      findingsOf(
        toldInOrder(
          ledger,
          due.toReversed().map((each, seq) => ({ ...each, seq })),
        ),
      ),
    ).toBe(1);
  });

  test.each([
    ['again in the same message', [tell('a firing'), tell('a firing')], 0],
    ['again in another message', [tell('a firing'), tell('a firing', { messageId: 'other' })], 1],
    ['again of an older database', [tell('a firing'), tell('a firing', { messageId: 'other', atMs: 6_500 })], 0],
  ])('an alert that arrives %s', (_, arrivals, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    ledger.told.push(...arrivals);
    expect(findingsOf(toldOnce(ledger))).toBe(findings);
  });
});

describe('shared signals', () => {
  const due = [1, 2].map((seq) => ({ seq, id: `e-${seq}`, type: 'session.ended' }));
  const signal = (seq: number, over = {}) => ({ id: `e-${seq}`, subject: 'ada', atMs: 1_000, ...over });

  test('an event that never arrived is a finding', () => {
    const ledger = createLedger();
    ledger.signalled.push(signal(2));
    expect(signalled(ledger, due).findings).toEqual([{ text: 'session.ended e-1 (1) never arrived' }]);
  });

  test.each([
    ['in order', [signal(1), signal(2), signal(1)], 0],
    ['out of order', [signal(2), signal(1)], 1],
    ['out of order, of two users', [signal(2), signal(1, { subject: 'bob' })], 0],
    ['that were lost with a database', [signal(2), signal(9), signal(1, { atMs: 6_500 })], 0],
  ])('events %s', (_, arrivals, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    ledger.signalled.push(...arrivals);
    expect(findingsOf(signalledInOrder(ledger, due))).toBe(findings);
  });
});

describe('imports', () => {
  const done = { id: 'i-1', state: 'done', users: 30, rejected: 1, batches: 1 };
  test.each([
    ['done once', {}, 0],
    ['that no worker finished', { state: 'running', users: 0, rejected: 0, batches: 0 }, 1],
    ['that failed', { state: 'failed' }, 1],
    ['without some of its users', { users: 29 }, 1],
    ['whose batch was counted twice', { users: 60, rejected: 2 }, 1],
    ['whose batch is twice in the log', { batches: 2 }, 1],
    ['whose batch is not in the log', { batches: 0 }, 1],
  ])('%s', (_, row, findings) => {
    expect(findingsOf(importedOnce(createLedger(), [{ ...done, ...row }], 30))).toBe(findings);
  });
  test('that a loss of the database took are not looked for', () => {
    const ledger = createLedger();
    ledger.rewinds.push(rewind);
    ledger.entries.push({
      surface: 'imports',
      kind: 'request of an import',
      key: 'i-1',
      sentAtMs: 5_500,
      ackedAtMs: 5_600,
    });
    expect(importedOnce(ledger, [{ ...done, state: 'running' }], 30)).toMatchObject({ checked: 0, findings: [] });
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
  ['kills', () => closedByKill([]), 'sign-offs'],
  ['work', (ledger) => finished('reports', ledger, []), 'reports'],
  ['imports', (ledger) => importedOnce(ledger, [], 30), 'imports'],
  ['arrivals', (ledger) => arrived(ledger, []), 'agents'],
  ['order', arrivedInOrder, 'agents'],
  ['export', (ledger) => exported(ledger, []), 'agents'],
  ['order of the export', exportedInOrder, 'agents'],
  ['alerts', (ledger) => told(ledger, []), 'alerts'],
  ['order of alerts', (ledger) => toldInOrder(ledger, []), 'alerts'],
  ['alerts told once', toldOnce, 'alerts'],
  ['silences', (ledger) => toldOfSilences(ledger, []), 'alerts'],
  ['addresses', leftAddressesTold, 'alerts'],
  ['passkeys', registeredWhole, 'second factors'],
  ['signals', (ledger) => signalled(ledger, []), 'signals'],
  ['order of signals', (ledger) => signalledInOrder(ledger, []), 'signals'],
] as [string, (ledger: Ledger, surface: SurfaceName) => Gate, SurfaceName][])(
  '%s: a ledger without facts fails',
  (_, gate, surface) => {
    const checked = gate(createLedger(), surface);
    expect(checked).toMatchObject({ checked: 0, findings: [] });
    expect(isFailed(checked)).toBe(true);
  },
);

test('a challenge of a second factor that opened two sessions is a finding, and one that opened none is not', () => {
  const of = (sessions: number) => openedOnce({ openings: [{ challenge: 'a-challenge', sessions }] });
  expect([0, 1, 2].map((sessions) => findingsOf(of(sessions)))).toEqual([0, 0, 1]);
  expect(isFailed(openedOnce({ openings: [] }))).toBe(true);
});

test.each([
  [
    'passkeys that open a session, and a challenge for the password',
    { opening: 2, isChallenged: true, isCodeTaken: true },
    0,
  ],
  ['none, and no challenge', { opening: 0, isChallenged: false }, 0],
  ['a passkey beside a password that opens a session alone', { opening: 1, isChallenged: false }, 1],
  ['a challenge that no passkey of the account answers', { opening: 0, isChallenged: true }, 1],
  ['recovery codes that do not work', { opening: 1, isChallenged: true, isCodeTaken: false }, 1],
])('an account with %s', (_, found, findings) => {
  expect(findingsOf(registeredWhole({ passkeyAccounts: [{ id: 'ada', ...found }] }))).toBe(findings);
});
