import { expect, test } from 'vitest';
import { impactOf } from './impact.ts';
import { type Access, createLedger, type Ledger } from './ledger.ts';

function ledgerOf(tokensAt: readonly number[]): Ledger {
  const ledger = createLedger();
  for (const atMs of tokensAt) ledger.tokens.set(String(atMs), { issuedAtMs: atMs } as Access);
  return ledger;
}
const span = { startedAtMs: 1_000, servedAtMs: 9_000 };

test('the longest time without a token counts from the begin of a fault until both copies serve again', () => {
  expect(impactOf(ledgerOf([900, 2_000, 7_000, 9_500]), span).tokenGapMs).toBe(5_000);
  expect(impactOf(ledgerOf([]), span).tokenGapMs).toBe(8_000);
});

test('requests count by how they ended while the fault lasted', () => {
  const ledger = ledgerOf([]);
  const add = (status: number, endedAtMs = 2_000, surface: 'validation' | 'refresh' = 'validation') =>
    ledger.exchanges.push({
      surface,
      copy: 'A',
      path: '/',
      isLimited: true,
      sentAtMs: endedAtMs - 5,
      endedAtMs,
      status,
    });
  for (const status of [200, 200, 401, 503, 500, 0]) add(status);
  add(200, 500);
  add(200, 9_001);
  expect(impactOf(ledger, span)).toMatchObject({
    ...{ answered: 3, unavailable: 1, failed: 1, unanswered: 1, validateMsP99: 5 },
  });
  expect(impactOf(createLedger(), span).validateMsP99).toBeNull();
});

test('what was acknowledged and went with a lost database is lost', () => {
  const ledger = ledgerOf([]);
  for (const ackedAtMs of [1_500, 3_000, undefined])
    ledger.acts.push({
      ...{ kind: 'sign-up', events: [], isRepeatable: false, attempts: [], subject: null, sentAtMs: 1_400 },
      ...(ackedAtMs === undefined ? {} : { ackedAtMs }),
    });
  ledger.rewinds.push({ backupAtMs: 2_000, startedAtMs: 4_000 });
  expect(impactOf(ledger, span)).toMatchObject({ acknowledged: 2, lost: 1 });
});
