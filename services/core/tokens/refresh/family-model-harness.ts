/**
 * One refresh-token family, one request at a time: what the statement must do however many share it.
 * Times are milliseconds of one clock.
 */

export type ModelPolicy = {
  readonly graceMs: number;
  readonly graceUses: number;
  /** 0: none. */
  readonly lostAnswerMs: number;
  readonly endsOnReplay: boolean;
  readonly idleMs: number;
};

/** When a generation began. */
type Mark = { readonly generation: number; readonly at: number };

export type ModelFamily = {
  /** `refresh_copies` of its client; 0: it serves none. */
  readonly copiesMs: number;
  /** A key or certificate of the family decides about copies; requests that `fit` have shown it. */
  readonly hasKey: boolean;
  /** Of the last rotation. */
  network: string | null;
  /** The newest rotations between which at least a twelfth of the bound lies. */
  marks: readonly Mark[];
  copyUses: number;
  generation: number;
  rotatedAt: number;
  graceUses: number;
  graceStreak: number;
  isContested: boolean;
  context: string | null;
  kv: number;
  prevKv: number;
  revokeReason: string | null;
  idleExpiresAt: number;
  expiresAt: number;
};

export type ModelRequest = {
  readonly generation: number;
  readonly kv: number;
  /** Nonce, client and binding are the family's. */
  readonly fits: boolean;
  readonly context: string | null;
  /** Null: unknown. */
  readonly network: string | null;
};

export type ModelVerdict =
  | 'rotated'
  | 'grace'
  | 'lost_answer'
  | 'stale_copy'
  | 'grace_spent'
  | 'replay'
  | 'revoked'
  | 'expired'
  | 'ahead'
  | 'mismatch'
  | 'unknown';

/** Contested generations running that end a family. */
const STREAK_LIMIT = 3;

function replay(family: ModelFamily, policy: ModelPolicy): ModelVerdict {
  if (policy.endsOnReplay) family.revokeReason = 'refresh_token_reused';
  return 'replay';
}

/** How long the previous generation gets its successor again: longer where the rotation came from. */
function retryMs(family: ModelFamily, request: ModelRequest, policy: ModelPolicy): number {
  if (policy.graceUses === 0 || policy.graceMs === 0) return 0;
  const isSameContext = request.context !== null && request.context === family.context;
  return isSameContext ? Math.max(policy.graceMs, policy.lostAnswerMs) : policy.graceMs;
}

/**
 * Whether a replaced generation is a copy that the client serves. Its age counts from the rotation that replaced it, or
 * from a mark before: never from a later time.
 */
function isCopy(family: ModelFamily, request: ModelRequest, now: number, policy: ModelPolicy): boolean {
  if (family.copiesMs === 0 || policy.graceUses === 0) return false;
  const isProven = family.hasKey || (request.network !== null && request.network === family.network);
  const mark = family.marks.findLast(({ generation }) => generation <= request.generation + 1);
  const isLast = request.generation === family.generation - 1;
  const replacedAt = isLast ? family.rotatedAt : (mark?.at ?? Number.NEGATIVE_INFINITY);
  return isProven && now < replacedAt + family.copiesMs;
}

/** The current token again; nothing rotates. */
function serveCopy(family: ModelFamily, policy: ModelPolicy): ModelVerdict {
  if (family.graceUses >= policy.graceUses) return 'grace_spent';
  family.graceUses += 1;
  family.copyUses += 1;
  return 'stale_copy';
}

function rotate(
  family: ModelFamily,
  request: ModelRequest,
  now: number,
  policy: ModelPolicy,
  newestKv: number,
): ModelVerdict {
  family.generation += 1;
  family.rotatedAt = now;
  family.prevKv = family.kv;
  family.kv = newestKv;
  family.graceUses = 0;
  if (!family.isContested) family.graceStreak = 0;
  family.isContested = false;
  family.context = request.context;
  // A context is known only as a whole.
  family.network = request.context === null ? null : request.network;
  const isDue = now - (family.marks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= family.copiesMs / 12;
  if (family.copiesMs > 0 && isDue)
    family.marks = [...family.marks, { generation: family.generation, at: now }].slice(-12);
  family.idleExpiresAt = Math.min(now + policy.idleMs, family.expiresAt);
  return 'rotated';
}

function retry(family: ModelFamily, request: ModelRequest, now: number, policy: ModelPolicy): ModelVerdict {
  if (family.graceUses >= policy.graceUses) return 'grace_spent';
  const isForeign = request.context !== null && family.context !== null && request.context !== family.context;
  if (isForeign && !family.isContested) {
    family.isContested = true;
    family.graceStreak += 1;
    if (family.graceStreak >= STREAK_LIMIT && policy.endsOnReplay) return replay(family, policy);
  }
  family.graceUses += 1;
  return now < family.rotatedAt + policy.graceMs ? 'grace' : 'lost_answer';
}

/** Applies one request to the family and returns its result. */
export function presentToModel(
  family: ModelFamily | undefined,
  request: ModelRequest,
  now: number,
  policy: ModelPolicy,
  newestKv: number,
): ModelVerdict {
  if (family === undefined) return 'unknown';
  if (!request.fits) return 'mismatch';
  if (request.generation > family.generation) return 'ahead';
  if (family.revokeReason !== null) return 'revoked';
  if (now >= Math.min(family.expiresAt, family.idleExpiresAt)) return 'expired';
  const age = family.generation - request.generation;
  if ((age === 0 && request.kv !== family.kv) || (age === 1 && request.kv !== family.prevKv)) return 'mismatch';
  if (age === 0) return rotate(family, request, now, policy, newestKv);
  if (age === 1 && now < family.rotatedAt + retryMs(family, request, policy))
    return retry(family, request, now, policy);
  return isCopy(family, request, now, policy) ? serveCopy(family, policy) : replay(family, policy);
}

const NO_CHANGE = 0;

/** The order in which requests of one family in one batch act: replays, copies, retries, the current one; then by arrival. */
export function batchRank(
  family: ModelFamily | undefined,
  request: ModelRequest,
  now: number,
  policy: ModelPolicy,
): number {
  const outcome = presentToModel(family && { ...family }, request, now, policy, family?.kv ?? 1);
  if (outcome === 'rotated') return 4;
  const age = (family?.generation ?? 0) - request.generation;
  const isRetry = age === 1 && ['grace', 'lost_answer', 'grace_spent', 'replay'].includes(outcome);
  if (isRetry && family !== undefined && now < family.rotatedAt + retryMs(family, request, policy)) return 3;
  if (outcome === 'stale_copy' || outcome === 'grace_spent') return 2;
  return outcome === 'replay' ? 1 : NO_CHANGE;
}
