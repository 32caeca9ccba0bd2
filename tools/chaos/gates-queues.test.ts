import { expect, test } from 'vitest';
import { type Gate, isFailed } from './gates.ts';
import { sentAfterRetry, silentAfterDiscard } from './gates-queues.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { DISCARD, RETRY } from './load/surfaces/queues.ts';
import type { Entry } from './surface-facts.ts';

const rewind = { backupAtMs: 4_000, startedAtMs: 6_000, acceptedAtMs: 7_000 };
const letter = (kind: string, over: Partial<Entry> = {}): Entry => ({
  ...{ surface: 'queues', kind, key: 'jti-1', sentAtMs: 2_000, ackedAtMs: 2_100 },
  ...over,
});
const arrived = { id: 'jti-1', subject: 'session-1', atMs: 3_000 };
const findingsOf = (gate: (ledger: Ledger) => Gate, entry: Entry, ...arrivals: (typeof arrived)[]): number => {
  const ledger = createLedger();
  ledger.rewinds.push(rewind);
  ledger.entries.push(entry);
  ledger.loggedOut.push(...arrivals);
  return gate(ledger).findings.length;
};
const unanswered = ({ ackedAtMs: _unused, ...entry }: Entry): Entry => entry;

test('a dead letter that was retried and never arrived is a finding', () => {
  expect(findingsOf(sentAfterRetry, letter(RETRY))).toBe(1);
  expect(findingsOf(sentAfterRetry, letter(RETRY), arrived, arrived)).toBe(0);
  expect(findingsOf(sentAfterRetry, letter(RETRY), { ...arrived, id: 'jti-2' })).toBe(1);
  expect(findingsOf(sentAfterRetry, unanswered(letter(RETRY)))).toBe(0);
});

test('a dead letter that was discarded and arrived is a finding', () => {
  expect(findingsOf(silentAfterDiscard, letter(DISCARD), arrived)).toBe(1);
  expect(findingsOf(silentAfterDiscard, letter(DISCARD))).toBe(0);
  expect(findingsOf(silentAfterDiscard, letter(RETRY), arrived)).toBe(0);
});

test('what a loss of the database took is not looked for', () => {
  const lost = { sentAtMs: 3_950, ackedAtMs: 4_050 };
  expect(findingsOf(sentAfterRetry, letter(RETRY, lost))).toBe(0);
  expect(findingsOf(silentAfterDiscard, letter(DISCARD, lost), arrived)).toBe(0);
});

test.each([sentAfterRetry, silentAfterDiscard])('a ledger without acts fails', (gate) => {
  expect(isFailed(gate(createLedger()))).toBe(true);
});
