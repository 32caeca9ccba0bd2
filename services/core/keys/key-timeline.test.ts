import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  algorithmOf,
  CLOCK_BOUND_SECONDS,
  defaultAlgorithmOf,
  destroysAt,
  holdMs,
  isPublished,
  type KeyPolicy,
  type KeyTimes,
  leavesAt,
  openEnded,
  planCompromise,
  planRotation,
  secretDestroysAt,
  secretHoldMs,
  secretRotatesAt,
  signedAlgorithms,
  signsAt,
  signsAtOnceFrom,
  stateOf,
} from './key-timeline.ts';

const START = 1_800_000_000_000;
const DAY = 86_400_000;
const SKEW = CLOCK_BOUND_SECONDS * 1_000;

const policy: KeyPolicy = {
  algorithm: 'RS256',
  prepublish_seconds: 60,
  rotation_days: 30,
  longest_token_seconds: 900,
  leeway_seconds: 5,
  ring_bound_seconds: 30,
  refresh_seconds: 3_600,
};

const keyWith = (times: Partial<KeyTimes> & Pick<KeyTimes, 'kid'>): KeyTimes => ({
  alg: 'RS256',
  published_at: START,
  signs_from: START,
  signs_until: null,
  leaves_at: null,
  longest_token_seconds: 900,
  compromised_at: null,
  ...times,
});

describe('algorithms', () => {
  test('the next key of a purpose has the algorithm of the purpose, or the configured one', () => {
    expect(
      ['access', 'access:ES256', 'access:EdDSA', 'audit-log'].map((purpose) => algorithmOf(purpose, policy)),
    ).toEqual(['RS256', 'ES256', 'EdDSA', 'EdDSA']);
    expect([defaultAlgorithmOf('HS256'), defaultAlgorithmOf('ES256')]).toEqual(['RS256', 'ES256']);
  });

  const rs = { ...keyWith({ kid: 'rs' }), purpose: 'access' };
  const es = { ...keyWith({ kid: 'es', alg: 'ES256' }), purpose: 'access:ES256' };
  const ends = { signs_until: START + DAY, leaves_at: START + 2 * DAY };

  test.each([
    ['a key of each', [rs, es], ['RS256', 'ES256']],
    ['the log, whose keys sign no tokens', [rs, { ...es, alg: 'EdDSA', purpose: 'audit-log' }], ['RS256']],
    ['an additional key in its hold period', [rs, { ...es, signs_from: START + 1 }], ['RS256']],
    ['an additional key that stops', [rs, { ...es, ...ends }], ['RS256']],
    [
      'an additional key that has a successor',
      [rs, { ...es, ...ends }, { ...es, kid: 'es2', signs_from: START + DAY }],
      ['RS256', 'ES256'],
    ],
    ['a compromised key', [rs, { ...es, compromised_at: START }], ['RS256']],
    [
      'a default key whose successor has another algorithm',
      [{ ...rs, ...ends }, { ...rs, kid: 'x', alg: 'EdDSA', signs_from: START + DAY }, es],
      ['ES256'],
    ],
    ['a default key that no longer has the configured algorithm', [{ ...rs, alg: 'EdDSA' }, es], ['ES256']],
    [
      'an earlier key of another algorithm',
      [{ ...rs, kid: 'x', alg: 'EdDSA', signs_until: START, leaves_at: START + DAY }, rs],
      ['RS256'],
    ],
    ['no keys', [], []],
  ] as const)('a client can be registered for what signs now and will: %s', (_, keys, expected) => {
    expect(signedAlgorithms(keys, policy, START)).toEqual(expected);
  });
});

describe('states', () => {
  const key = keyWith({ kid: 'k', signs_from: START + 10, signs_until: START + 20, leaves_at: START + 30 });

  test('follow only from ranges and clock: pending, active, retiring, retired', () => {
    expect([9, 10, 19, 20, 29, 30].map((ms) => stateOf(key, START + ms))).toEqual(
      'pending active active retiring retiring retired'.split(' '),
    );
    expect(stateOf({ ...key, signs_until: null, leaves_at: null }, START + DAY)).toBe('active');
    expect(stateOf({ ...key, leaves_at: null }, START + DAY)).toBe('retiring');
  });

  test('a compromised key has no other state and is never published', () => {
    const compromised = { ...key, compromised_at: START };
    expect(stateOf(compromised, START + 15)).toBe('compromised');
    expect(isPublished(compromised, START + 15)).toBe(false);
  });

  test('a key is published from its creation until its last token has expired', () =>
    expect([0, 10, 29, 30].map((ms) => isPublished(key, START + ms))).toEqual([true, true, true, false]));

  test('a shared secret is never published', () => expect(isPublished({ ...key, alg: 'HS256' }, START)).toBe(false));

  test('a private key outlives its range by the skew of a copy that is behind; a shared secret also verifies', () => {
    expect(destroysAt(key)).toBe(START + 20 + 2 * SKEW);
    expect(destroysAt({ ...key, signs_until: null })).toBeNull();
    expect(destroysAt({ ...key, alg: 'HS256' })).toBe(key.leaves_at);
  });
});

describe('rotation', () => {
  const current = keyWith({ kid: 'current' });

  test('the next key signs after the hold period, and the current range ends at exactly that moment', () => {
    const signsFrom = START + DAY + (60 + 2 * CLOCK_BOUND_SECONDS) * 1_000;
    expect(holdMs(policy)).toBe(signsFrom - START - DAY);
    expect(planRotation([current], policy, START + DAY, false)).toEqual({
      kind: 'publish',
      close: {
        kid: 'current',
        signs_from: START,
        signs_until: signsFrom,
        leaves_at: signsFrom + (900 + 5 + 2 * CLOCK_BOUND_SECONDS) * 1_000,
      },
      signs_from: signsFrom,
    });
  });

  test('a second rotation while a key is pending returns that key: never a third one', () => {
    const waiting = keyWith({ kid: 'next', signs_from: START + 100 });
    const closed = keyWith({ kid: 'current', signs_until: START + 100 });
    expect(planRotation([closed, waiting], policy, START + 50, false)).toEqual({ kind: 'pending', kid: 'next' });
  });

  test('the first key signs immediately, also on copies that are behind', () => {
    const gone = keyWith({ kid: 'gone', compromised_at: START });
    const plan = { kind: 'publish', close: null, signs_from: START - 2 * SKEW };
    expect(planRotation([gone], policy, START, true)).toEqual(plan);
    expect(signsAtOnceFrom([], START)).toBe(plan.signs_from);
  });

  test('a key without a predecessor never signs beside one whose range is still current', () => {
    const stopped = keyWith({ kid: 'stopped', signs_until: START - 1, leaves_at: START + DAY });
    expect(signsAtOnceFrom([stopped], START)).toBe(START - 1);
    expect(signsAtOnceFrom([{ ...stopped, compromised_at: START }], START)).toBe(START - 2 * SKEW);
  });

  test('a scheduled rotation waits until the next key would sign on the rotation date', () => {
    const due = START + 30 * DAY - holdMs(policy);
    expect(planRotation([current], policy, due - 1, true)).toEqual({ kind: 'not_due', kid: 'current' });
    expect(planRotation([current], policy, due, true)).toMatchObject({ kind: 'publish', signs_from: START + 30 * DAY });
  });

  test('rotation days shorter than the hold period: several keys wait, each published one whole hold period before it signs', () => {
    const often = { ...policy, rotation_days: 5_000 / DAY };
    const waiting = keyWith({ kid: 'waiting', signs_from: START + holdMs(often) });
    const closed = keyWith({ kid: 'current', signs_until: waiting.signs_from });
    expect(planRotation([closed, waiting], often, START + 4_999, true)).toEqual({ kind: 'not_due', kid: 'waiting' });
    expect(planRotation([closed, waiting], often, START + 5_000, true)).toMatchObject({
      kind: 'publish',
      close: { kid: 'waiting', signs_until: waiting.signs_from + 5_000 },
      signs_from: waiting.signs_from + 5_000,
    });
    expect(planRotation([closed, waiting], often, START + 5_000, false)).toEqual({ kind: 'pending', kid: 'waiting' });
  });

  test('a database clock that jumps two days ahead and back publishes one key for it, not one per run', () => {
    let keys = [current];
    let published = 0;
    const day = START + 29 * DAY;
    for (const nowMs of [day, day + 2 * DAY, day + 2 * DAY, day, day, day - 2 * DAY, day + 2 * DAY, day]) {
      const plan = planRotation(keys, policy, nowMs, true);
      if (plan.kind !== 'publish') continue;
      published += 1;
      const { close, signs_from: signsFrom } = plan;
      keys = keys.map((key) => (key.kid === close?.kid ? { ...key, ...close } : key));
      keys.push(keyWith({ kid: `k${published}`, published_at: nowMs, signs_from: signsFrom }));
    }
    expect(published).toBe(1);
  });

  test('a server secret is replaced on the same schedule, but never so often that too many versions are live', () => {
    expect(secretRotatesAt(START, policy)).toBe(START + 30 * DAY);
    const often = { ...policy, rotation_days: 1 / DAY };
    expect(secretRotatesAt(START, often)).toBe(START + 3_600_000 / 32);
  });

  test('a key whose tokens live longer than the current policy allows stays until they expire', () => {
    const long = keyWith({ kid: 'long', longest_token_seconds: 3_600 });
    const plan = planRotation([long], policy, START + DAY, false);
    const signsUntil = START + DAY + holdMs(policy);
    expect(plan).toMatchObject({ close: { leaves_at: leavesAt(signsUntil, 3_600, policy) } });
  });

  test('a server secret waits for a ring at its bound and is kept for the longest token family', () => {
    expect(secretHoldMs(policy)).toBe(30_000 + 2 * SKEW);
    expect(secretDestroysAt(START, policy)).toBe(START + (3_600 + 5) * 1_000 + 2 * SKEW);
  });
});

describe('compromise', () => {
  const before = keyWith({ kid: 'before', signs_until: START + 1_000, leaves_at: START + 2_000 });
  const active = keyWith({ kid: 'active', signs_from: START + 1_000 });

  test('the replacement of a signer takes over its whole range', () =>
    expect(planCompromise([before, active], active, START + DAY)).toEqual({
      signsUntil: START + DAY,
      advance: null,
      extend: null,
      replaceFrom: START + 1_000,
    }));

  test('a waiting successor starts earlier instead of a third key', () => {
    const closed = { ...active, signs_until: START + DAY };
    const next = keyWith({ kid: 'next', signs_from: START + DAY });
    expect(planCompromise([before, closed, next], closed, START + 5_000)).toEqual({
      signsUntil: START + 5_000,
      advance: { kid: 'next', signsFrom: START + 1_000 },
      extend: null,
      replaceFrom: null,
    });
  });

  test('without its pending successor the active key continues to sign', () => {
    const closed = { ...active, signs_until: START + DAY };
    const next = keyWith({ kid: 'next', signs_from: START + DAY });
    expect(planCompromise([closed, next], next, START + 5_000)).toMatchObject({ extend: 'active', replaceFrom: null });
  });

  test('the first key of an added algorithm is replaced for the range that it has not begun', () => {
    const first = keyWith({ kid: 'first', signs_from: START + DAY });
    const kept = { signsUntil: null, advance: null, extend: null, replaceFrom: START + DAY };
    expect(planCompromise([first], first, START + 5_000)).toEqual(kept);
    const closed = { ...first, signs_until: START + 2 * DAY };
    const next = keyWith({ kid: 'next', signs_from: START + 2 * DAY });
    expect(planCompromise([closed, next], closed, START + 5_000)).toEqual({
      signsUntil: START + 2 * DAY,
      advance: { kid: 'next', signsFrom: START + DAY },
      extend: null,
      replaceFrom: null,
    });
    // The settings have stopped it meanwhile.
    const stopped = { ...first, signs_until: START + DAY + 1 };
    expect(planCompromise([stopped], stopped, START + 5_000)).toMatchObject({ advance: null, replaceFrom: null });
  });

  test('a key that no longer signs on any copy needs no replacement', () => {
    const unchanged = { signsUntil: START + 1_000, advance: null, extend: null, replaceFrom: null };
    expect(planCompromise([before, active], before, START + 1_000 + 2 * SKEW)).toEqual(unchanged);
  });

  test('a key compromised in the millisecond it began keeps a range that can be written', () =>
    expect(planCompromise([active], active, START + 1_000).signsUntil).toBe(START + 1_001));
});

/** A model of the table: applies the plans as the use-cases write them, and keeps every version by commit time. */
class Model {
  nowMs = START;
  readonly #policy: KeyPolicy;
  keys: KeyTimes[] = [keyWith({ kid: 'k0', signs_from: signsAtOnceFrom([], START) })];
  readonly versions: { at: number; keys: readonly KeyTimes[] }[] = [{ at: START, keys: this.keys }];
  #made = 1;

  constructor(by: KeyPolicy) {
    this.#policy = by;
  }
  #commit(keys: KeyTimes[]): void {
    this.keys = keys;
    this.versions.push({ at: this.nowMs, keys });
  }
  #new(signsFrom: number): KeyTimes {
    this.#made += 1;
    return keyWith({ kid: `k${this.#made}`, published_at: this.nowMs, signs_from: signsFrom });
  }
  rotate(onlyWhenDue: boolean): void {
    const plan = planRotation(this.keys, this.#policy, this.nowMs, onlyWhenDue);
    if (plan.kind !== 'publish') return;
    const kept = this.keys.map((key) => (key.kid === plan.close?.kid ? { ...key, ...plan.close } : key));
    this.#commit([...kept, this.#new(plan.signs_from)]);
  }
  compromise(index: number): void {
    const key = this.keys[index % this.keys.length] as KeyTimes;
    if (key.compromised_at !== null) return;
    const { signsUntil, advance, extend, replaceFrom } = planCompromise(this.keys, key, this.nowMs);
    const changed = this.keys.map((other) => {
      if (other.kid === key.kid) return { ...other, signs_until: signsUntil, compromised_at: this.nowMs };
      if (other.kid === advance?.kid) return { ...other, signs_from: advance.signsFrom };
      return other.kid === extend ? { ...other, signs_until: key.signs_until, leaves_at: key.leaves_at } : other;
    });
    this.#commit(replaceFrom === null ? changed : [...changed, this.#new(replaceFrom)]);
  }
  at(ms: number): readonly KeyTimes[] {
    return this.versions.findLast((version) => version.at <= ms)?.keys ?? [];
  }
}

type Step = { readonly kind: 'rotate' | 'due' | 'compromise'; readonly after: number; readonly index: number };

const stepsOf = (kinds: readonly Step['kind'][]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      kind: fc.constantFrom(...kinds),
      after: fc.oneof(fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 0, max: 40 * DAY })),
      index: fc.nat(20),
    }),
    { minLength: 1, maxLength: 12 },
  );

function play(steps: readonly Step[], by: KeyPolicy): Model {
  const model = new Model(by);
  for (const { kind, after, index } of steps) {
    model.nowMs += after;
    if (kind === 'compromise') model.compromise(index);
    else model.rotate(kind === 'due');
  }
  return model;
}

/** Every moment of a change, its neighbours, and both ends of the skew around it. */
const momentsOf = (model: Model): number[] => {
  const edges = model.versions.flatMap(({ at, keys }) => [
    at,
    ...keys.flatMap((key) => [key.signs_from, key.signs_until ?? at, key.leaves_at ?? at]),
  ]);
  return edges.flatMap((edge) => [-2 * SKEW, -SKEW, -1, 0, 1, SKEW, 2 * SKEW].map((offset) => edge + offset));
};

/** Whether the signing key exists and is published. */
const holds = (keySet: readonly KeyTimes[], signer: KeyTimes | undefined): boolean =>
  signer !== undefined && keySet.some((key) => key.kid === signer.kid);

describe.each([
  ['by days', policy],
  ['faster than the hold period', { ...policy, rotation_days: 5_000 / DAY }],
])('for any history of rotations and compromises, %s', (_name, by) => {
  test('exactly one key signs at every instant, on every copy within the allowed skew', () =>
    fc.assert(
      fc.property(stepsOf(['rotate', 'due', 'compromise']), (steps) => {
        const model = play(steps, by);
        for (const moment of momentsOf(model).filter((ms) => ms >= START))
          for (const offset of [-SKEW, 0, SKEW]) {
            const signers = model.at(moment).filter((key) => signsAt(key, moment + offset));
            if (signers.length !== 1) expect.fail(`${signers.length} signers at ${moment - START}, offset ${offset}`);
          }
      }),
      { numRuns: 300 },
    ));

  test('ranges of keys that are not compromised never overlap, meet within the skew of now, and one is open', () => {
    fc.assert(
      fc.property(stepsOf(['rotate', 'due', 'compromise']), (steps) => {
        const model = play(steps, by);
        const good = model.keys
          .filter((key) => key.compromised_at === null)
          .sort((one, other) => one.signs_from - other.signs_from);
        for (const [index, key] of good.entries()) {
          const next = good[index + 1]?.signs_from ?? null;
          // A key compromised long after its range leaves a gap there, which no copy's clock can reach.
          if (next !== null && next <= model.nowMs - 2 * SKEW) expect(key.signs_until).toBeLessThanOrEqual(next);
          else expect(key.signs_until).toBe(next);
        }
        expect(openEnded(good)).toBe(good.at(-1));
      }),
      { numRuns: 300 },
    );
  });

  test('every signed token verifies with a key set that is at most the hold period old', () =>
    fc.assert(
      fc.property(
        stepsOf(['rotate', 'due']),
        fc.integer({ min: 0, max: policy.prepublish_seconds * 1_000 }),
        fc.constantFrom(-SKEW, 0, SKEW),
        fc.constantFrom(-SKEW, 0, SKEW),
        (steps, keySetAge, signerOffset, publisherOffset) => {
          const model = play(steps, by);
          for (const moment of momentsOf(model)) {
            const fetchedAt = moment - keySetAge;
            if (fetchedAt < START) continue;
            const signer = model.at(moment).find((key) => signsAt(key, moment + signerOffset));
            const keySet = model.at(fetchedAt).filter((key) => isPublished(key, fetchedAt + publisherOffset));
            if (!holds(keySet, signer)) expect.fail(`${signer?.kid} signs ${moment - START}, and is not published`);
          }
        },
      ),
      { numRuns: 300 },
    ));

  test('a key set fetched while any of its tokens is still accepted has the key that signed it', () => {
    fc.assert(
      fc.property(
        stepsOf(['rotate', 'due']),
        fc.constantFrom(-SKEW, 0, SKEW),
        fc.constantFrom(-SKEW, 0, SKEW),
        (steps, signerOffset, publisherOffset) => {
          const model = play(steps, by);
          for (const moment of momentsOf(model).filter((ms) => ms >= START)) {
            const signer = model.at(moment).find((key) => signsAt(key, moment + signerOffset));
            // exp by the signer's clock, accepted with leeway by a verifier with the largest allowed lag.
            const acceptedUntil =
              moment + signerOffset + (policy.longest_token_seconds + policy.leeway_seconds) * 1_000 + SKEW;
            const keySet = model
              .at(acceptedUntil - 1)
              .filter((key) => isPublished(key, acceptedUntil - 1 + publisherOffset));
            if (!holds(keySet, signer))
              expect.fail(`${signer?.kid} signed ${moment - START}, and was removed too early`);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
