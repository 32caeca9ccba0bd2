import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from './algorithm-shapes.ts';

/** Rules of a key's life as plain functions of ranges and a clock: every copy computes the same without a message. */

export type KeyAlgorithm = AsymmetricAlgorithm | 'HS256';

type KeyState = 'pending' | 'active' | 'retiring' | 'retired' | 'compromised';

/** Keys of one purpose sign one after another; an HS256 secret has the purpose `hs256:<audience>`. */
export const ACCESS_PURPOSE = 'access';
/** Signs checkpoints of the audit log only: no tokens, and it is never in the key set. */
export const LOG_PURPOSE = 'audit-log';
export const sharedSecretPurpose = (audience: string): string => `hs256:${audience}`;
/** Keys of an algorithm that signs for the clients registered for it, beside the default algorithm. */
export const algorithmPurpose = (alg: AsymmetricAlgorithm): string => `${ACCESS_PURPOSE}:${alg}`;
/** Whether keys of this purpose sign tokens that any verifier can check with the key set. */
export const isTokenPurpose = (purpose: string): boolean =>
  purpose === ACCESS_PURPOSE || purpose.startsWith(`${ACCESS_PURPOSE}:`);

/** A copy whose clock differs from the database's by more than this does not sign. */
export const CLOCK_BOUND_SECONDS = 5;
const SKEW_MS = 2 * CLOCK_BOUND_SECONDS * 1_000;
const DAY_MS = 86_400_000;

/** Times are milliseconds since 1970 by the database's clock. */
export type KeyTimes = {
  readonly kid: string;
  readonly alg: KeyAlgorithm;
  readonly published_at: number;
  readonly signs_from: number;
  /** Null until a successor is planned. */
  readonly signs_until: number | null;
  /** When it leaves the key set; null as long as `signsUntil` is. */
  readonly leaves_at: number | null;
  readonly longest_token_seconds: number;
  readonly compromised_at: number | null;
};

export type KeyPolicy = {
  readonly algorithm: AsymmetricAlgorithm;
  readonly prepublish_seconds: number;
  readonly rotation_days: number;
  readonly longest_token_seconds: number;
  readonly leeway_seconds: number;
  readonly ring_bound_seconds: number;
  readonly refresh_seconds: number;
};

/** HS256 signs access tokens only; ID tokens and the feed keep an asymmetric key. */
export const defaultAlgorithmOf = (mode: KeyAlgorithm): AsymmetricAlgorithm => (mode === 'HS256' ? 'RS256' : mode);

/** The algorithm of the next asymmetric key of a purpose. */
export function algorithmOf(purpose: string, policy: Pick<KeyPolicy, 'algorithm'>): AsymmetricAlgorithm {
  if (purpose === LOG_PURPOSE) return 'EdDSA';
  return ASYMMETRIC_ALGORITHMS.find((alg) => algorithmPurpose(alg) === purpose) ?? policy.algorithm;
}

export function stateOf(key: KeyTimes, nowMs: number): KeyState {
  if (key.compromised_at !== null) return 'compromised';
  if (nowMs < key.signs_from) return 'pending';
  if (key.signs_until === null || nowMs < key.signs_until) return 'active';
  return key.leaves_at === null || nowMs < key.leaves_at ? 'retiring' : 'retired';
}

/** Whether it is in the published key set. A shared secret never is. */
export const isPublished = (key: KeyTimes, nowMs: number): boolean =>
  key.alg !== 'HS256' && key.compromised_at === null && (key.leaves_at === null || nowMs < key.leaves_at);

export const signsAt = (key: KeyTimes, nowMs: number): boolean => stateOf(key, nowMs) === 'active';

/** How long a key is published before it signs: verifier caches, and a writer and a signer at opposite ends of the allowed skew. */
export const holdMs = (policy: KeyPolicy): number => policy.prepublish_seconds * 1_000 + SKEW_MS;

/** The hold period of a server secret: until every copy that may still issue tokens has loaded it. */
export const secretHoldMs = (policy: KeyPolicy): number => policy.ring_bound_seconds * 1_000 + SKEW_MS;

/** When a superseded server secret expires: after the longest token family, opened by the slowest copy just before the change. */
export const secretDestroysAt = (successorActivatesAt: number, policy: KeyPolicy): number =>
  successorActivatesAt + (policy.refresh_seconds + policy.leeway_seconds) * 1_000 + SKEW_MS;

/** When a key that stops signing may leave the key set: its last token, seen by the slowest clock allowed. */
export const leavesAt = (signsUntil: number, longestTokenSeconds: number, policy: KeyPolicy): number =>
  signsUntil + (longestTokenSeconds + policy.leeway_seconds) * 1_000 + SKEW_MS;

/** The private key outlives its range by the skew a signer may be behind; a shared secret also verifies, so it stays. */
export function destroysAt(key: KeyTimes): number | null {
  if (key.alg === 'HS256') return key.leaves_at;
  return key.signs_until === null ? null : key.signs_until + SKEW_MS;
}

/**
 * When a key without a predecessor starts to sign: immediately, since no verifier has cached a key set without it, and
 * also for copies whose clock is behind; but never beside a key whose range is still current.
 */
export function signsAtOnceFrom(keys: readonly KeyTimes[], nowMs: number): number {
  const ends = keys.flatMap((row) =>
    row.compromised_at === null && row.signs_until !== null ? [row.signs_until] : [],
  );
  return Math.max(nowMs - SKEW_MS, ...ends);
}

/** The key with no planned end: the one that signs when all planned changes are done. */
export const openEnded = <K extends KeyTimes>(keys: readonly K[]): K | undefined =>
  keys.find((key) => key.compromised_at === null && key.signs_until === null);

/**
 * The algorithms that a client can be registered for: a key of the algorithm signs now, and every key that is planned
 * or made after it has the same algorithm.
 */
export function signedAlgorithms(
  keys: readonly (KeyTimes & { readonly purpose: string })[],
  policy: Pick<KeyPolicy, 'algorithm'>,
  nowMs: number,
): AsymmetricAlgorithm[] {
  const isSigned = (purpose: string): boolean => {
    const left = keys.filter(
      (key) =>
        key.purpose === purpose && key.compromised_at === null && (key.signs_until === null || nowMs < key.signs_until),
    );
    return (
      left.every((key) => key.alg === algorithmOf(purpose, policy)) &&
      left.some((key) => nowMs >= key.signs_from) &&
      openEnded(left) !== undefined
    );
  };
  return ASYMMETRIC_ALGORITHMS.filter(
    (alg) => isSigned(algorithmPurpose(alg)) || (alg === policy.algorithm && isSigned(ACCESS_PURPOSE)),
  );
}

/** When the successor of the open-ended key is to sign; it is published one hold period earlier. */
export const rotatesAt = (current: KeyTimes, policy: KeyPolicy): number =>
  current.signs_from + policy.rotation_days * DAY_MS;

/** Every version of a server secret that tokens may still need is in memory: at most this many, however short the rotation days. */
const SECRET_VERSIONS = 32;

/** When a version of a server secret is replaced by the next. */
export const secretRotatesAt = (activatesAt: number, policy: KeyPolicy): number =>
  activatesAt + Math.max(policy.rotation_days * DAY_MS, (policy.refresh_seconds * 1_000) / SECRET_VERSIONS);

export type RotationPlan =
  /** A key is already waiting and is returned. */
  | { readonly kind: 'pending'; readonly kid: string }
  | { readonly kind: 'not_due'; readonly kid: string }
  | {
      readonly kind: 'publish';
      readonly close: {
        readonly kid: string;
        readonly signs_from: number;
        readonly signs_until: number;
        readonly leaves_at: number;
      } | null;
      readonly signs_from: number;
    };

/**
 * Plans a rotation for the keys of one purpose. On request, it returns a key that is already waiting. By schedule,
 * only the last key matters: where the hold period is longer than the rotation days, several keys wait, each published
 * one whole hold period ahead.
 */
export function planRotation(
  keys: readonly KeyTimes[],
  policy: KeyPolicy,
  nowMs: number,
  onlyWhenDue: boolean,
): RotationPlan {
  const waiting = keys.find((key) => stateOf(key, nowMs) === 'pending');
  if (waiting && !onlyWhenDue) return { kind: 'pending', kid: waiting.kid };
  const current = openEnded(keys);
  if (!current) return { kind: 'publish', close: null, signs_from: signsAtOnceFrom(keys, nowMs) };
  const signsFrom = nowMs + holdMs(policy);
  if (onlyWhenDue && signsFrom < rotatesAt(current, policy)) return { kind: 'not_due', kid: current.kid };
  const longest = Math.max(current.longest_token_seconds, policy.longest_token_seconds);
  return {
    kind: 'publish',
    close: {
      kid: current.kid,
      signs_from: current.signs_from,
      signs_until: signsFrom,
      leaves_at: leavesAt(signsFrom, longest, policy),
    },
    signs_from: signsFrom,
  };
}

export type CompromisePlan = {
  /** Where the compromised key's range ends; a range that has not begun is kept. */
  readonly signsUntil: number | null;
  /** The key planned to follow it begins earlier instead. */
  readonly advance: { readonly kid: string; readonly signsFrom: number } | null;
  /** The key it was to follow signs until the compromised one would have stopped. */
  readonly extend: string | null;
  /** A new key takes over the start of this range, without a hold period of its own. */
  readonly replaceFrom: number | null;
};

/**
 * Plans the removal of a compromised key. A successor takes over the signer's whole range, so that on no copy's clock
 * there is a moment without a signer.
 */
export function planCompromise(keys: readonly KeyTimes[], key: KeyTimes, nowMs: number): CompromisePlan {
  const unchanged = { signsUntil: key.signs_until, advance: null, extend: null, replaceFrom: null };
  const others = keys.filter((other) => other.kid !== key.kid && other.compromised_at === null);
  const successor = others.find((other) => other.signs_from === key.signs_until);
  const takeover = successor
    ? { advance: { kid: successor.kid, signsFrom: key.signs_from } }
    : { replaceFrom: key.signs_from };
  if (nowMs < key.signs_from) {
    const before = others.find((other) => other.signs_until === key.signs_from);
    if (before) return { ...unchanged, extend: before.kid };
    // The first key of an added algorithm. One with an end and no successor was stopped by the settings.
    return key.signs_until === null || successor ? { ...unchanged, ...takeover } : unchanged;
  }
  // Just past its range a copy that is behind would still sign with it: the successor covers that too.
  if (key.signs_until !== null && nowMs >= key.signs_until + SKEW_MS) return unchanged;
  const signsUntil = Math.max(key.signs_from + 1, Math.min(nowMs, key.signs_until ?? nowMs));
  return { ...unchanged, signsUntil, ...takeover };
}
