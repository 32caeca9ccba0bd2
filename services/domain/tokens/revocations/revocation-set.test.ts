import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../ports.ts';
import type { RevocationEntry, RevocationKind } from './revocation-log.ts';
import {
  assertFresh,
  assertNotRewound,
  createRevocationSet,
  type RevocableClaims,
  type RevocationMemory,
} from './revocation-set.ts';

const warnings: string[] = [];
const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (_fields, message) => void warnings.push(message),
  error: () => {},
};

let monotonicMs = 0;
const clock = { now: () => 1_700_000_000_000 + monotonicMs, monotonic: () => monotonicMs };
const make = (budget = 1_000): RevocationMemory => createRevocationSet({ clock, log, stalenessBoundMs: 2_000, budget });

let nextEpoch = 0;
const entry = (kind: RevocationKind, value: string, more: Partial<RevocationEntry> = {}): RevocationEntry => {
  nextEpoch += 1;
  return {
    epoch: nextEpoch,
    kind,
    value,
    tokenEpoch: kind === 'user' || kind === 'client' ? 1 : null,
    isReuse: false,
    userId: null,
    clientId: null,
    expiresAtMs: 10_000_000,
    ...more,
  };
};
const token = (more: Partial<RevocableClaims> = {}): RevocableClaims => ({
  jti: 'j',
  sid: 's',
  fid: 'f',
  sub: 'u',
  client_id: 'c',
  ue: 0,
  ce: 0,
  ...more,
});

beforeEach(() => {
  monotonicMs = 0;
  nextEpoch = 0;
  warnings.length = 0;
});

describe('check', () => {
  test('refuses by token id, session, family, user and client, each with its reason', () => {
    const reasonOf = (revoked: RevocationEntry): unknown => {
      const set = make();
      set.apply([revoked]);
      return set.check(token());
    };
    expect(reasonOf(entry('jti', 'j'))).toBe('revoked');
    expect(reasonOf(entry('sid', 's'))).toBe('session_ended');
    expect(reasonOf(entry('family', 'f'))).toBe('revoked');
    expect(reasonOf(entry('family', 'f', { isReuse: true }))).toBe('family_reused');
    expect(reasonOf(entry('user', 'u'))).toBe('revoked');
    expect(reasonOf(entry('client', 'c'))).toBe('revoked');
    expect(reasonOf(entry('jti', 'another'))).toBeNull();
  });

  test('an epoch cuts off what was born below it and nothing that was born at it', () => {
    const set = make();
    set.apply([entry('user', 'u', { tokenEpoch: 3 }), entry('client', 'c', { tokenEpoch: 2 })]);
    expect(set.check(token({ ue: 2, ce: 9 }))).toBe('revoked');
    expect(set.check(token({ ue: 3, ce: 1 }))).toBe('revoked');
    expect(set.check(token({ ue: 3, ce: 2 }))).toBeNull();
    expect(set.userEpoch('u')).toBe(3);
    expect(set.userEpoch('nobody')).toBeUndefined();
  });

  test('what a token was exchanged from ends it too: by token id, or by an epoch of its client', () => {
    const origins = [
      { jti: 'near', client_id: 'service', ce: 4 },
      { jti: 'far', client_id: 'app', ce: 2 },
    ];
    const verdictAfter = (revoked: RevocationEntry): unknown => {
      const set = make();
      set.apply([revoked]);
      return set.check(token({ origins }));
    };
    for (const jti of ['near', 'far']) expect(verdictAfter(entry('jti', jti)), jti).toBe('revoked');
    expect(verdictAfter(entry('client', 'app', { tokenEpoch: 3 }))).toBe('revoked');
    expect(verdictAfter(entry('client', 'app', { tokenEpoch: 2 }))).toBeNull();
    expect(verdictAfter(entry('client', 'service', { tokenEpoch: 5 }))).toBe('revoked');
    expect(verdictAfter(entry('client', 'another', { tokenEpoch: 9 }))).toBeNull();
  });

  test('a later entry never weakens an earlier one', () => {
    const set = make();
    set.apply([
      entry('user', 'u', { tokenEpoch: 5, expiresAtMs: 900_000 }),
      entry('user', 'u', { tokenEpoch: 4, expiresAtMs: 120_000 }),
      entry('family', 'f', { isReuse: true }),
      entry('family', 'f'),
    ]);
    expect(set.userEpoch('u')).toBe(5);
    expect(set.check(token({ ue: 9 }))).toBe('family_reused');
    set.sweep(300_000);
    expect(set.userEpoch('u')).toBe(5);
    set.sweep(960_000);
    expect(set.userEpoch('u')).toBeUndefined();
  });

  test('ended sessions and revoked keys can be asked for', () => {
    const set = make();
    set.apply([entry('sid', 's'), entry('key', 'k')]);
    expect([set.isSessionEnded('s'), set.isSessionEnded('t')]).toEqual([true, false]);
    expect([set.isKeyRevoked('k'), set.isKeyRevoked('l')]).toEqual([true, false]);
  });
});

describe('freshness', () => {
  test('nothing is judged before the first complete load, nor past the bound', () => {
    const set = make();
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(() => assertFresh(set)).toThrow('revocation_state_stale');
    set.reset('i1');
    set.confirm(0, 0, 1_700_000_000_000);
    monotonicMs = 2_000;
    expect(set.refusal()).toBeNull();
    expect(() => assertFresh(set)).not.toThrow();
    monotonicMs = 2_001;
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(set.state()).toMatchObject({ fresh: false, rewound: false, ageMs: 2_001, incarnation: 'i1' });
  });

  test('a rewound database refuses validating and issuing, until it is told', () => {
    const set = make();
    set.confirm(0, 0, 0);
    set.setRewound(true);
    expect(() => assertFresh(set)).toThrow('state_rewound');
    expect(() => assertNotRewound(set)).toThrow('state_rewound');
    set.setRewound(false);
    expect(() => assertNotRewound(set)).not.toThrow();
  });

  test('a stale copy may issue: its tokens are dead on arrival where they must be', () => {
    expect(() => assertNotRewound(make())).not.toThrow();
  });

  test('another incarnation begins empty and unconfirmed', () => {
    const set = make();
    set.apply([entry('jti', 'j')]);
    set.confirm(1, 0, 0);
    set.reset('i2');
    expect(set.refusal()).toBe('revocation_state_stale');
    expect(set.state()).toMatchObject({ epoch: 0, entries: 0, incarnation: 'i2' });
    expect(set.since(0, 10)).toEqual([]);
  });

  test('listeners hear every confirmation until they leave', () => {
    const set = make();
    let heard = 0;
    const leave = set.onConfirmed(() => {
      heard += 1;
    });
    set.confirm(1, 5, 77);
    leave();
    set.confirm(2, 6, 78);
    expect(heard).toBe(1);
    expect(set.confirmedAtMs()).toBe(78);
  });
});

describe('expiry', () => {
  test('entries leave only when the minute they expire in is over', () => {
    const set = make();
    set.apply([entry('jti', 'j', { expiresAtMs: 90_000 })]);
    set.sweep(119_999);
    expect(set.check(token())).toBe('revoked');
    set.sweep(120_000);
    expect(set.check(token())).toBeNull();
    expect(set.state().entries).toBe(0);
  });

  test('what has expired is not taken in, and time never runs back', () => {
    const set = make();
    set.sweep(100_000);
    set.sweep(50_000);
    set.apply([entry('jti', 'j', { expiresAtMs: 100_000 }), entry('jti', 'k', { expiresAtMs: 100_001 })]);
    expect(set.state().entries).toBe(1);
  });

  test('a sweep is a bounded piece of work, and the next goes on where it stopped', () => {
    const set = make(100_000);
    set.apply(Array.from({ length: 12_000 }, (_, at) => entry('jti', `j${at}`, { expiresAtMs: 1 })));
    const left: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      set.sweep(60_000);
      left.push(set.state().entries);
    }
    expect(left).toEqual([7_000, 2_000, 0]);
  });
});

describe('budget', () => {
  test('80 % of the budget is said once, and again only after it has fallen below', () => {
    const set = make(100);
    set.apply(Array.from({ length: 79 }, (_, at) => entry('jti', `j${at}`, { expiresAtMs: 1 })));
    expect(warnings).toEqual([]);
    set.apply([entry('jti', 'x', { expiresAtMs: 1 })]);
    set.apply([entry('jti', 'y')]);
    expect(warnings).toHaveLength(1);
    set.sweep(60_000);
    set.apply(Array.from({ length: 90 }, (_, at) => entry('jti', `n${at}`)));
    expect(warnings).toHaveLength(2);
  });

  test('beyond the budget nothing is dropped', () => {
    const set = make(10);
    const many = Array.from({ length: 50 }, (_, at) => entry('jti', `j${at}`));
    set.apply(many);
    expect(many.every(({ value }) => set.check(token({ jti: value })) === 'revoked')).toBe(true);
  });
});

describe('relief near the budget', () => {
  const single = (value: string, more: Partial<RevocationEntry> = {}): RevocationEntry =>
    entry('jti', value, { userId: 'u', clientId: 'c', ...more });

  test('what a later epoch of its user or client covers goes, and stays refused', () => {
    const set = make(4);
    set.apply([single('a'), single('b', { userId: null }), entry('family', 'f', { userId: 'u', clientId: 'x' })]);
    set.apply([entry('user', 'u'), entry('client', 'c')]);
    expect(set.state().entries).toBe(2);
    expect(set.since(0, 10).map(({ kind }) => kind)).toEqual(['user', 'client']);
    for (const jti of ['a', 'b']) expect(set.check(token({ jti, fid: undefined, sid: undefined }))).toBe('revoked');
  });

  test('what is not covered stays: earlier or shorter epochs, others’ entries, sessions under a client’s epoch', () => {
    const set = make(4);
    set.apply([
      entry('user', 'u'),
      single('later', { clientId: null }),
      single('longer', { userId: 'v', clientId: null, expiresAtMs: 20_000_000 }),
      single('other', { userId: 'w', clientId: null }),
      single('nobody', { userId: null, clientId: null }),
      entry('sid', 's', { clientId: 'c' }),
      entry('user', 'v'),
      entry('client', 'c'),
    ]);
    expect(set.state().entries).toBe(8);
  });

  test('far below the budget nothing is looked through, and near it no more than once in five seconds', () => {
    const set = make(10);
    set.apply([single('a'), entry('user', 'u')]);
    expect(set.state().entries).toBe(2);
    set.apply(Array.from({ length: 6 }, (_, at) => single(`n${at}`, { userId: 'v', clientId: null })));
    expect(set.state().entries).toBe(7);
    set.apply([entry('user', 'v', { tokenEpoch: 2 })]);
    monotonicMs = 4_999;
    set.sweep(0);
    expect(set.state().entries).toBe(8);
    monotonicMs = 5_000;
    set.sweep(0);
    expect(set.state().entries).toBe(2);
  });

  test('a token once refused is refused for as long as its entry would have lived, whatever is relieved', () => {
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
        const set = make(3);
        const epochs = [0, 0, 0];
        const minted: { claims: RevocableClaims; refusedUntilMinute: number }[] = [];
        let epoch = 0;
        let minute = 0;
        monotonicMs = 0;
        for (const one of steps) {
          epoch += 1;
          if (one.what === 'mint') {
            const claims = token({
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
            set.apply([{ ...entry('user', `u${one.user}`, { tokenEpoch: epochs[one.user]!, expiresAtMs }), epoch }]);
          } else {
            minute += one.minutes;
            monotonicMs += one.minutes * 60_000;
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

describe('feed', () => {
  test('gives what lies above an epoch, in order, up to a limit', () => {
    const set = make();
    set.apply(['a', 'b', 'c', 'd'].map((value) => entry('jti', value)));
    expect(set.since(1, 2).map(({ value }) => value)).toEqual(['b', 'c']);
    expect(set.since(4, 2)).toEqual([]);
    expect(set.since(0, 10)).toHaveLength(4);
  });
});

test('the set equals a plain list of revocations under any interleaving of deltas, time and questions', () => {
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
      const set = make();
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
          // The set keeps an entry as long as any entry of the same name, so does the model.
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
