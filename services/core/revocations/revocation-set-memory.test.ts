import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openedEach } from '#tools/testing/opened.ts';
import type { RevocationEntry } from './revocation-log.ts';
import type { RevocableClaims } from './revocation-set.ts';
import { claimsOf, makeRevocations } from './revocation-set-harness.ts';

const made = openedEach(makeRevocations);

describe('expiry', () => {
  test('entries are removed only after the minute in which they expire', () => {
    const set = made.set();
    set.apply([made.entry('jti', 'j', { expiresAtMs: 90_000 })]);
    set.sweep(119_999);
    expect(set.check(claimsOf())).toBe('revoked');
    set.sweep(120_000);
    expect(set.check(claimsOf())).toBeNull();
    expect(set.state().entries).toBe(0);
  });

  test('expired entries are not added, and the time of the set never goes back', () => {
    const set = made.set();
    set.sweep(100_000);
    set.sweep(50_000);
    set.apply([made.entry('jti', 'j', { expiresAtMs: 100_000 }), made.entry('jti', 'k', { expiresAtMs: 100_001 })]);
    expect(set.state().entries).toBe(1);
  });

  test('a sweep removes a limited number of entries, and the next one continues where it stopped', () => {
    const set = made.set(100_000);
    set.apply(Array.from({ length: 12_000 }, (_, at) => made.entry('jti', `j${at}`, { expiresAtMs: 1 })));
    const left: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      set.sweep(60_000);
      left.push(set.state().entries);
    }
    expect(left).toEqual([7_000, 2_000, 0]);
  });
});

describe('budget', () => {
  test('80 % of the budget is logged once, and again only after the set has fallen below it', () => {
    const set = made.set(100);
    set.apply(Array.from({ length: 79 }, (_, at) => made.entry('jti', `j${at}`, { expiresAtMs: 1 })));
    expect(made.warnings).toEqual([]);
    set.apply([made.entry('jti', 'x', { expiresAtMs: 1 })]);
    set.apply([made.entry('jti', 'y')]);
    expect(made.warnings).toHaveLength(1);
    set.sweep(60_000);
    set.apply(Array.from({ length: 90 }, (_, at) => made.entry('jti', `n${at}`)));
    expect(made.warnings).toHaveLength(2);
  });

  test('no entry is dropped beyond the budget', () => {
    const set = made.set(10);
    const many = Array.from({ length: 50 }, (_, at) => made.entry('jti', `j${at}`));
    set.apply(many);
    expect(many.every(({ value }) => set.check(claimsOf({ jti: value })) === 'revoked')).toBe(true);
  });
});

describe('near the budget', () => {
  const single = (value: string, more: Partial<RevocationEntry> = {}): RevocationEntry =>
    made.entry('jti', value, { userId: 'u', clientId: 'c', ...more });

  test('an entry that a later epoch of its user or client covers is removed, and its token stays rejected', () => {
    const set = made.set(4);
    set.apply([single('a'), single('b', { userId: null }), made.entry('family', 'f', { userId: 'u', clientId: 'x' })]);
    set.apply([made.entry('user', 'u'), made.entry('client', 'c')]);
    expect([set.state().entries, set.since(0, 10).map(({ kind }) => kind)]).toEqual([2, ['user', 'client']]);
    for (const jti of ['a', 'b']) expect(set.check(claimsOf({ jti, fid: undefined, sid: undefined }))).toBe('revoked');
  });

  test('an entry stays when the epoch is earlier, expires sooner or belongs to another owner, or when only a client’s epoch covers a session', () => {
    const set = made.set(4);
    set.apply([
      made.entry('user', 'u'),
      single('later', { clientId: null }),
      single('longer', { userId: 'v', clientId: null, expiresAtMs: 20_000_000 }),
      single('other', { userId: 'w', clientId: null }),
      single('unknown', { userId: null, clientId: null }),
      made.entry('sid', 's', { clientId: 'c' }),
      made.entry('user', 'v'),
      made.entry('client', 'c'),
    ]);
    expect(set.state().entries).toBe(8);
  });

  test('entries are scanned only near the budget, and at most once in five seconds', () => {
    const set = made.set(10);
    set.apply([single('a'), made.entry('user', 'u')]);
    expect(set.state().entries).toBe(2);
    set.apply(Array.from({ length: 6 }, (_, at) => single(`n${at}`, { userId: 'v', clientId: null })));
    expect(set.state().entries).toBe(7);
    set.apply([made.entry('user', 'v', { tokenEpoch: 2 })]);
    made.monotonicMs = 4_999;
    set.sweep(0);
    expect(set.state().entries).toBe(8);
    made.monotonicMs = 5_000;
    set.sweep(0);
    expect(set.state().entries).toBe(2);
  });

  test('a rejected token stays rejected for as long as its entry would have lived, whichever entries are removed', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('mint' as const), user: fc.nat(2) }),
      fc.record({
        what: fc.constant('revoke' as const),
        pick: fc.nat(99),
        lifeMinutes: fc.integer({ min: 1, max: 20 }),
      }),
      fc.record({ what: fc.constant('raise' as const), user: fc.nat(2), lifeMinutes: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ what: fc.constant('pass' as const), minutes: fc.integer({ min: 0, max: 6 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const set = made.set(3);
        const epochs = [0, 0, 0];
        const minted: { claims: RevocableClaims; refusedUntilMinute: number }[] = [];
        let epoch = 0;
        let minute = 0;
        made.monotonicMs = 0;
        for (const one of steps) {
          epoch += 1;
          if (one.what === 'mint') {
            const claims = claimsOf({
              jti: `j${epoch}`,
              sid: undefined,
              fid: undefined,
              sub: `u${one.user}`,
              ue: epochs[one.user]!,
            });
            minted.push({ claims, refusedUntilMinute: 0 });
          } else if (one.what === 'revoke') {
            const chosen = minted[one.pick % Math.max(1, minted.length)];
            if (!chosen) continue;
            chosen.refusedUntilMinute = Math.max(chosen.refusedUntilMinute, minute + one.lifeMinutes);
            const expiresAtMs = (minute + one.lifeMinutes) * 60_000;
            set.apply([
              { ...single(chosen.claims.jti, { userId: chosen.claims.sub, clientId: null, expiresAtMs }), epoch },
            ]);
          } else if (one.what === 'raise') {
            epochs[one.user]! += 1;
            const expiresAtMs = (minute + one.lifeMinutes) * 60_000;
            set.apply([
              { ...made.entry('user', `u${one.user}`, { tokenEpoch: epochs[one.user]!, expiresAtMs }), epoch },
            ]);
          } else {
            minute += one.minutes;
            made.monotonicMs += one.minutes * 60_000;
            set.sweep(minute * 60_000);
          }
          for (const { claims, refusedUntilMinute } of minted)
            if (minute < refusedUntilMinute) expect(set.check(claims)).toBe('revoked');
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
