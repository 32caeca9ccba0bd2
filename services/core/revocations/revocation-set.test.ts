import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openedEach } from '#tools/testing/opened.ts';
import type { RevocationEntry, RevocationKind } from './revocation-log.ts';
import { assertFresh, assertMayIssue } from './revocation-set.ts';
import { claimsOf, makeRevocations } from './revocation-set-harness.ts';

const made = openedEach(makeRevocations);

describe('check', () => {
  test('rejects by token id, session, family, user and client, each with its reason', () => {
    const reasonOf = (revoked: RevocationEntry): unknown => {
      const set = made.set();
      set.apply([revoked]);
      return set.check(claimsOf());
    };
    expect(reasonOf(made.entry('jti', 'j'))).toBe('revoked');
    expect(reasonOf(made.entry('sid', 's'))).toBe('session_ended');
    expect(reasonOf(made.entry('family', 'f'))).toBe('revoked');
    expect(reasonOf(made.entry('family', 'f', { isReuse: true }))).toBe('family_reused');
    expect(reasonOf(made.entry('user', 'u'))).toBe('revoked');
    expect(reasonOf(made.entry('client', 'c'))).toBe('revoked');
    expect(reasonOf(made.entry('jti', 'another'))).toBeNull();
  });

  test('an epoch revokes tokens issued under a lower epoch and none issued under it', () => {
    const set = made.set();
    set.apply([made.entry('user', 'u', { tokenEpoch: 3 }), made.entry('client', 'c', { tokenEpoch: 2 })]);
    expect(set.check(claimsOf({ ue: 2, ce: 9 }))).toBe('revoked');
    expect(set.check(claimsOf({ ue: 3, ce: 1 }))).toBe('revoked');
    expect(set.check(claimsOf({ ue: 3, ce: 2 }))).toBeNull();
    expect(set.userEpoch('u')).toBe(3);
    expect(set.userEpoch('unknown')).toBeUndefined();
  });

  test('an exchanged token is revoked with the token it was exchanged from: by token id, or by an epoch of its client', () => {
    const origins = [
      { jti: 'near', client_id: 'service', ce: 4 },
      { jti: 'far', client_id: 'app', ce: 2 },
    ];
    const verdictAfter = (revoked: RevocationEntry): unknown => {
      const set = made.set();
      set.apply([revoked]);
      return set.check(claimsOf({ origins }));
    };
    for (const jti of ['near', 'far']) expect(verdictAfter(made.entry('jti', jti)), jti).toBe('revoked');
    expect(verdictAfter(made.entry('client', 'app', { tokenEpoch: 3 }))).toBe('revoked');
    expect(verdictAfter(made.entry('client', 'app', { tokenEpoch: 2 }))).toBeNull();
    expect(verdictAfter(made.entry('client', 'service', { tokenEpoch: 5 }))).toBe('revoked');
    expect(verdictAfter(made.entry('client', 'another', { tokenEpoch: 9 }))).toBeNull();
  });

  test('a later entry never weakens an earlier one', () => {
    const set = made.set();
    set.apply([
      made.entry('user', 'u', { tokenEpoch: 5, expiresAtMs: 900_000 }),
      made.entry('user', 'u', { tokenEpoch: 4, expiresAtMs: 120_000 }),
      made.entry('family', 'f', { isReuse: true }),
      made.entry('family', 'f'),
    ]);
    expect([set.userEpoch('u'), set.check(claimsOf({ ue: 9 }))]).toEqual([5, 'family_reused']);
    set.sweep(300_000);
    expect(set.userEpoch('u')).toBe(5);
    set.sweep(960_000);
    expect(set.userEpoch('u')).toBeUndefined();
  });

  test('the set answers for ended sessions and revoked keys', () => {
    const set = made.set();
    set.apply([made.entry('sid', 's'), made.entry('key', 'k')]);
    expect([set.isSessionEnded('s'), set.isSessionEnded('t')]).toEqual([true, false]);
    expect([set.isKeyRevoked('k'), set.isKeyRevoked('l')]).toEqual([true, false]);
  });
});

describe('freshness', () => {
  test('no token is validated before the first complete load, or beyond the staleness bound', () => {
    const set = made.set();
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(() => assertFresh(set)).toThrow('revocation_state_stale');
    set.reset('i1');
    set.confirm(0, 0, 1_700_000_000_000);
    made.monotonicMs = 2_000;
    expect(set.refusal()).toBeNull();
    expect(() => assertFresh(set)).not.toThrow();
    made.monotonicMs = 2_001;
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(set.state()).toMatchObject({ fresh: false, rewound: false, ageMs: 2_001, incarnation: 'i1' });
  });

  test('while the database is rewound, no token is validated or issued', () => {
    const set = made.set();
    set.confirm(0, 0, 0);
    set.setRewound(true);
    expect(() => assertFresh(set)).toThrow('state_rewound');
    expect(() => assertMayIssue(set)).toThrow('state_rewound');
    set.setRewound(false);
    expect(() => assertMayIssue(set)).not.toThrow();
  });

  test('a stale copy issues no token', () =>
    expect(() => assertMayIssue(made.set())).toThrow('revocation_state_stale'));

  test('the set of another incarnation begins empty and unconfirmed', () => {
    const set = made.set();
    set.apply([made.entry('jti', 'j')]);
    set.confirm(1, 0, 0);
    set.reset('i2');
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(set.state()).toMatchObject({ epoch: 0, entries: 0, incarnation: 'i2' });
    expect(set.since(0, 10)).toEqual([]);
  });

  test('listeners are called on every confirmation until they are removed', () => {
    const set = made.set();
    let heard = 0;
    const leave = set.onConfirmed(() => {
      heard += 1;
    });
    set.confirm(1, 5, 77);
    leave();
    set.confirm(2, 6, 78);
    expect([heard, set.confirmedAtMs()]).toEqual([1, 78]);
  });
});

describe('feed', () => {
  test('returns the entries above an epoch, in order, up to a limit', () => {
    const set = made.set();
    set.apply(['a', 'b', 'c', 'd'].map((value) => made.entry('jti', value)));
    expect([set.since(1, 2).map(({ value }) => value), set.since(4, 2)]).toEqual([['b', 'c'], []]);
    expect(set.since(0, 10)).toHaveLength(4);
  });
});

test('the set answers like a plain list of revocations, whatever the order of changes, time and queries', () => {
  const ids = fc.constantFrom('a', 'b', 'c');
  const command = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        what: fc.constant('apply' as const),
        kind: fc.constantFrom<RevocationKind>('jti', 'sid', 'family', 'user', 'client', 'key'),
        value: ids,
        tokenEpoch: fc.integer({ min: 1, max: 4 }),
        isReuse: fc.boolean(),
        lifeMinutes: fc.integer({ min: 1, max: 9 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ what: fc.constant('pass' as const), minutes: fc.integer({ min: 0, max: 4 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        what: fc.constant('ask' as const),
        claims: fc.record({
          jti: ids,
          sid: fc.option(ids, { nil: undefined }),
          fid: fc.option(ids, { nil: undefined }),
          sub: ids,
          client_id: ids,
          ue: fc.integer({ min: 0, max: 4 }),
          ce: fc.integer({ min: 0, max: 4 }),
        }),
        since: fc.integer({ min: 0, max: 60 }),
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const set = made.set();
      let model: RevocationEntry[] = [];
      let nowMinutes = 0;
      let epoch = 0;
      for (const step of commands) {
        if (step.what === 'apply') {
          epoch += 1;
          const { kind, value, isReuse, lifeMinutes } = step;
          const tokenEpoch = kind === 'user' || kind === 'client' ? step.tokenEpoch : null;
          const expiresAtMs = (nowMinutes + lifeMinutes) * 60_000 - 1;
          const added = { epoch, kind, value, tokenEpoch, isReuse, userId: null, clientId: null, expiresAtMs };
          model.push(added);
          set.apply([added]);
        } else if (step.what === 'pass') {
          nowMinutes += step.minutes;
          // The set keeps an entry as long as the longest one of its kind and value; so does the model.
          const lives = (one: RevocationEntry): boolean =>
            model.some((o) => o.kind === one.kind && o.value === one.value && o.expiresAtMs >= nowMinutes * 60_000);
          model = model.filter(lives);
          set.sweep(nowMinutes * 60_000);
        } else {
          const { claims } = step;
          const of = (kind: RevocationKind, value: string | undefined): RevocationEntry[] =>
            model.filter((one) => one.kind === kind && one.value === value);
          const cuts = (kind: RevocationKind, value: string, born: number): boolean =>
            of(kind, value).some((one) => born < one.tokenEpoch!);
          const family = of('family', claims.fid);
          let expected: unknown = null;
          if (of('sid', claims.sid).length > 0) expected = 'session_ended';
          if (cuts('client', claims.client_id, claims.ce) || cuts('user', claims.sub, claims.ue)) expected = 'revoked';
          if (family.length > 0) expected = family.some((one) => one.isReuse) ? 'family_reused' : 'revoked';
          if (of('jti', claims.jti).length > 0) expected = 'revoked';
          expect(set.check(claims)).toBe(expected);
          const newest = new Map(model.map((one) => [`${one.kind} ${one.value}`, one.epoch]));
          const above = [...newest.values()].filter((one) => one > step.since).sort((a, b) => a - b);
          expect(set.since(step.since, 1_000).map((one) => one.epoch)).toEqual(above);
          expect(set.state().entries).toBe(newest.size);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
