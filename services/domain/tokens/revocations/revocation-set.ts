import type { Clock, Log } from '#services/domain/ports.ts';
import type { PolledGuard } from './database-guard.ts';
import { createRevocationLog, type RevocationEntry } from './revocation-log.ts';
import { revocationStateStale, stateRewound } from './revocations-contract.ts';

/** A token that another was exchanged from, as far as a revocation may name it. */
export type TokenOrigin = { readonly jti: string; readonly client_id: string; readonly ce: number };

/** The claims that revocations are matched with. A parsed access token has them. */
export type RevocableClaims = {
  readonly jti: string;
  readonly sid?: string | undefined;
  readonly fid?: string | undefined;
  readonly sub: string;
  readonly client_id: string;
  readonly ue: number;
  readonly ce: number;
  /** Of an exchanged token alone: session, login and user are its own. */
  readonly origins?: readonly TokenOrigin[] | undefined;
};

type RevocationReason = 'revoked' | 'session_ended' | 'family_reused';

type Refusal = 'state_rewound' | 'revocation_state_stale';

type RevocationState = {
  readonly fresh: boolean;
  readonly rewound: boolean;
  /** Since the last complete answer of the database was asked for; infinite before the first. */
  readonly ageMs: number;
  readonly epoch: number;
  readonly incarnation: string;
  readonly entries: number;
};

/** The revocations in the memory of a copy. */
export type RevocationSet = {
  /** O(1), no allocation, no I/O. Null when the token is not revoked. Valid only while `refusal()` is null. */
  check(claims: RevocableClaims): RevocationReason | null;
  isSessionEnded(sid: string): boolean;
  isKeyRevoked(kid: string): boolean;
  /** The lowest `ue` that is accepted for this user; undefined when its epoch was not raised recently. */
  userEpoch(userId: string): number | undefined;
  /** Why no token may be validated now; null when it may. */
  refusal(): Refusal | null;
  /** Why nothing may be issued, refreshed or revoked now: as `refusal`, and after a lost connection until a poll is confirmed. */
  issuingRefusal(): Refusal | null;
  state(): RevocationState;
  /** Whether what is held is a complete answer of the database asked at or after this monotonic time. */
  isConfirmedSince(monotonicMs: number): boolean;
  /** Live entries above an epoch, in order, at most `limit`. */
  since(epoch: number, limit: number): RevocationEntry[];
  /** When the database was asked for what is held now; wall clock, milliseconds since 1970. */
  confirmedAtMs(): number;
  /** Calls after every complete answer of the database; returns the end of it. */
  onConfirmed(listener: () => void): () => void;
};

/** The writing side: for the poll alone. */
export type RevocationMemory = RevocationSet & {
  /** Forgets everything: another incarnation begins, and nothing is judged before its first complete answer. */
  reset(incarnation: string): void;
  /** Entries in epoch order. */
  apply(entries: readonly RevocationEntry[]): void;
  /** Everything up to `epoch` has been applied, as of the moment the statement was sent. */
  confirm(epoch: number, sentAtMonotonicMs: number, sentAtWallMs: number): void;
  setRewound(rewound: boolean): void;
  /** Forgets what no living token can carry any more; a bounded piece of work per call. */
  sweep(nowMs: number): void;
};

export type HasRevocations = { readonly revocations: RevocationSet };

/**
 * Call it after a commit that wrote revocations: this copy reads them at once, and the others are notified. Resolves when
 * this copy has read them. Never throws.
 */
export type HasRevocationPush = { readonly announceRevocations: () => void | Promise<void> };

/** Throws `stateRewound` or `revocationStateStale` (503) unless a token can be validated now. */
export function assertFresh(revocations: RevocationSet): void {
  const refusal = revocations.refusal();
  if (refusal !== null) throw refused(refusal);
}

/**
 * Throws `stateRewound` or `revocationStateStale` (503) unless tokens can be issued, refreshed or revoked now. An early
 * check that saves work: every write is checked again (`database-guard.ts`).
 */
export function assertMayIssue(revocations: Pick<RevocationSet, 'issuingRefusal'>): void {
  const refusal = revocations.issuingRefusal();
  if (refusal !== null) throw refused(refusal);
}

const refused = (refusal: Refusal): Error =>
  refusal === 'state_rewound'
    ? stateRewound({ retryAfterSeconds: 30 })
    : revocationStateStale({ retryAfterSeconds: 1 });

export type RevocationSetOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly stalenessBoundMs: number;
  /** Entries beyond which single revocations are collapsed into epochs. */
  readonly budget: number;
  /** Of a process that has a poll. */
  readonly databaseGuard?: Pick<PolledGuard, 'isInDoubt'>;
};

/** Share of the budget from which on superfluous entries are dropped, and the operator is told. */
const CROWDED = 0.8;

export function createRevocationSet(options: RevocationSetOptions): RevocationMemory {
  const { clock, log, stalenessBoundMs, budget, databaseGuard } = options;
  const held = createRevocationLog(clock, budget * CROWDED);
  const { jti, sid, family, user, client, key } = held.byName;
  let epoch = 0;
  let incarnation = '';
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let confirmedWallMs = 0;
  let rewound = false;
  let alerted = false;
  const listeners = new Set<() => void>();

  const ageMs = (): number => clock.monotonic() - confirmedAt;

  function refusal(): Refusal | null {
    if (rewound) return 'state_rewound';
    return ageMs() > stalenessBoundMs ? 'revocation_state_stale' : null;
  }

  function alert(): void {
    const entries = held.size();
    if (entries < budget * CROWDED) alerted = false;
    else if (!alerted) {
      alerted = true;
      log.warn({ entries, budget }, 'revocations in memory pass 80 % of REVOCATION_BUDGET');
    }
  }

  /** As many as services stand behind each other; most tokens have none. */
  function isOriginRevoked(origins: readonly TokenOrigin[]): boolean {
    for (const origin of origins) {
      if (jti.has(origin.jti)) return true;
      const cut = client.get(origin.client_id);
      if (cut !== undefined && origin.ce < cut.tokenEpoch!) return true;
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
      const userCut = user.get(claims.sub);
      if (userCut !== undefined && claims.ue < userCut.tokenEpoch!) return 'revoked';
      const clientCut = client.get(claims.client_id);
      if (clientCut !== undefined && claims.ce < clientCut.tokenEpoch!) return 'revoked';
      if (claims.origins !== undefined && isOriginRevoked(claims.origins)) return 'revoked';
      // Last: a user's cut-off ends the sessions too, and is the better reason.
      if (claims.sid !== undefined && sid.has(claims.sid)) return 'session_ended';
      return null;
    },
    isSessionEnded: (id) => sid.has(id),
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
        entries: held.size(),
      };
    },
    isConfirmedSince: (monotonicMs) => !rewound && confirmedAt >= monotonicMs,
    since: held.since,
    confirmedAtMs: () => confirmedWallMs,
    onConfirmed(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reset(next) {
      held.clear();
      epoch = 0;
      incarnation = next;
      confirmedAt = Number.NEGATIVE_INFINITY;
    },
    apply(entries) {
      held.append(entries);
      alert();
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
      held.sweep(nowMs);
      alert();
    },
  };
}
