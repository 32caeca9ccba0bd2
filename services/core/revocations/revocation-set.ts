import type { Clock, Log } from '#services/core/ports.ts';
import { revocationStateStale, stateRewound } from './contract.ts';
import type { PolledGuard } from './database-guard.ts';
import { createRevocationLog, type RevocationEntry } from './revocation-log.ts';

/** The claims of a token that another was exchanged from (RFC 8693), by which it may be revoked. */
export type TokenOrigin = { readonly jti: string; readonly client_id: string; readonly ce: number };

/** The claims of an access token that revocations are matched with. */
export type RevocableClaims = {
  readonly jti: string;
  readonly sid?: string | undefined;
  readonly fid?: string | undefined;
  readonly sub: string;
  readonly client_id: string;
  readonly ue: number;
  readonly ce: number;
  /** Only in an exchanged token. Its session, family and user are in its own claims. */
  readonly origins?: readonly TokenOrigin[] | undefined;
};

type RevocationReason = 'revoked' | 'session_ended' | 'family_reused';

type Refusal = 'state_rewound' | 'revocation_state_stale';

type RevocationState = {
  readonly fresh: boolean;
  readonly rewound: boolean;
  /** Time since the query for the last complete answer was sent; infinite before the first answer. */
  readonly ageMs: number;
  readonly epoch: number;
  readonly incarnation: string;
  readonly entries: number;
};

export type RevocationSet = {
  /** O(1), no allocation, no I/O. Null when the token is not revoked. Valid only while `refusal()` is null. */
  check(claims: RevocableClaims): RevocationReason | null;
  isSessionEnded(sid: string): boolean;
  isTokenRevoked(jti: string): boolean;
  isKeyRevoked(kid: string): boolean;
  /** The lowest `ue` that is accepted for this user; undefined when the user's epoch was not raised recently. */
  userEpoch(userId: string): number | undefined;
  /** Why no token can be validated now; null when tokens can be validated. */
  refusal(): Refusal | null;
  /** Why no token can be issued, refreshed or revoked now: like `refusal`, and also from a lost connection to the next complete poll. */
  issuingRefusal(): Refusal | null;
  state(): RevocationState;
  /** Whether the set is the complete answer to a query sent at or after this monotonic time. */
  isConfirmedSince(monotonicMs: number): boolean;
  /** Live entries above an epoch, in order, at most `limit`. */
  since(epoch: number, limit: number): RevocationEntry[];
  /** When the query for the current state was sent; wall clock, milliseconds since 1970. */
  confirmedAtMs(): number;
  /** Calls the listener after every complete answer of the database; returns a function that stops. */
  onConfirmed(listener: () => void): () => void;
};

/** The writing side, which only the state poll uses. */
export type RevocationMemory = RevocationSet & {
  /** Empties the set for another incarnation. No token can be validated before the first complete answer. */
  reset(incarnation: string): void;
  /** Adds entries, which are in epoch order. */
  apply(entries: readonly RevocationEntry[]): void;
  /** Call it when everything up to `epoch` has been applied; the set is complete as of the time the query was sent. */
  confirm(epoch: number, sentAtMonotonicMs: number, sentAtWallMs: number): void;
  setRewound(rewound: boolean): void;
  /** Removes expired entries, a bounded number per call. */
  sweep(nowMs: number): void;
};

export type HasRevocations = { readonly revocations: RevocationSet };

/**
 * Call it after a commit that wrote revocations. This copy reads them immediately and notifies the other copies. Resolves
 * when this copy has read them. Never throws.
 */
export type HasRevocationPush = { readonly announceRevocations: () => void | Promise<void> };

/** Throws `stateRewound` or `revocationStateStale` (503) unless a token can be validated now. */
export function assertFresh(revocations: RevocationSet): void {
  const refusal = revocations.refusal();
  if (refusal !== null) throw refused(refusal);
}

/**
 * Throws `stateRewound` or `revocationStateStale` (503) unless tokens can be issued, refreshed or revoked now. This early
 * check only saves work, because the database guard checks every write again.
 */
export function assertMayIssue(revocations: Pick<RevocationSet, 'issuingRefusal'>): void {
  const refusal = revocations.issuingRefusal();
  if (refusal !== null) throw refused(refusal);
}

const refused = (refusal: Refusal): Error =>
  refusal === 'state_rewound'
    ? stateRewound({ retryAfterSeconds: 30 })
    : revocationStateStale({ retryAfterSeconds: 1 });

type RevocationSetOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly stalenessBoundMs: number;
  /** Entries beyond which single revocations are collapsed into epochs. */
  readonly budget: number;
  /** Only in a process with a state poll. */
  readonly databaseGuard?: Pick<PolledGuard, 'isInDoubt'>;
};

/** Share of the budget from which on covered entries are removed and a warning is logged. */
const CROWDED_SHARE = 0.8;

export function createRevocationSet(options: RevocationSetOptions): RevocationMemory {
  const { clock, log, stalenessBoundMs, budget, databaseGuard } = options;
  const stored = createRevocationLog(clock, budget * CROWDED_SHARE);
  const { jti, sid, family, user, client, key } = stored.byName;
  let epoch = 0;
  let incarnation = '';
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let confirmedWallMs = 0;
  let rewound = false;
  let hasWarned = false;
  const listeners = new Set<() => void>();

  const ageMs = (): number => clock.monotonic() - confirmedAt;

  function refusal(): Refusal | null {
    if (rewound) return 'state_rewound';
    return ageMs() > stalenessBoundMs ? 'revocation_state_stale' : null;
  }

  function warnWhenCrowded(): void {
    const entries = stored.size();
    if (entries < budget * CROWDED_SHARE) hasWarned = false;
    else if (!hasWarned) {
      hasWarned = true;
      log.warn({ entries, budget }, 'revocations in memory exceed 80 % of REVOCATION_BUDGET');
    }
  }

  /** Most tokens have no origins; a token that was exchanged several times has a few. */
  function isOriginRevoked(origins: readonly TokenOrigin[]): boolean {
    for (const origin of origins) {
      if (jti.has(origin.jti)) return true;
      const clientEntry = client.get(origin.client_id);
      if (clientEntry !== undefined && origin.ce < clientEntry.tokenEpoch!) return true;
    }
    return false;
  }

  return {
    check(claims) {
      if (jti.has(claims.jti)) return 'revoked';
      if (claims.fid !== undefined) {
        const ended = family.get(claims.fid);
        if (ended !== undefined) return ended.isReuse ? 'family_reused' : 'revoked';
      }
      const userEntry = user.get(claims.sub);
      if (userEntry !== undefined && claims.ue < userEntry.tokenEpoch!) return 'revoked';
      const clientEntry = client.get(claims.client_id);
      if (clientEntry !== undefined && claims.ce < clientEntry.tokenEpoch!) return 'revoked';
      if (claims.origins !== undefined && isOriginRevoked(claims.origins)) return 'revoked';
      // Last: raising a user's epoch ends the sessions too, and `revoked` is then the more precise reason.
      if (claims.sid !== undefined && sid.has(claims.sid)) return 'session_ended';
      return null;
    },
    isSessionEnded: (id) => sid.has(id),
    isTokenRevoked: (id) => jti.has(id),
    isKeyRevoked: (kid) => key.has(kid),
    userEpoch: (userId) => user.get(userId)?.tokenEpoch ?? undefined,
    refusal,
    issuingRefusal: () => refusal() ?? (databaseGuard?.isInDoubt() ? 'revocation_state_stale' : null),
    state: () => {
      const age = ageMs();
      return {
        fresh: !rewound && age <= stalenessBoundMs,
        rewound,
        ageMs: age,
        epoch,
        incarnation,
        entries: stored.size(),
      };
    },
    isConfirmedSince: (monotonicMs) => !rewound && confirmedAt >= monotonicMs,
    since: stored.since,
    confirmedAtMs: () => confirmedWallMs,
    onConfirmed(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reset(next) {
      stored.clear();
      epoch = 0;
      incarnation = next;
      confirmedAt = Number.NEGATIVE_INFINITY;
    },
    apply(entries) {
      stored.append(entries);
      warnWhenCrowded();
    },
    confirm(upTo, sentAtMonotonicMs, sentAtWallMs) {
      epoch = upTo;
      confirmedAt = sentAtMonotonicMs;
      confirmedWallMs = sentAtWallMs;
      for (const listener of listeners) listener();
    },
    setRewound(value) {
      rewound = value;
    },
    sweep(nowMs) {
      stored.sweep(nowMs);
      warnWhenCrowded();
    },
  };
}
