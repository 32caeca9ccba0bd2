import type { Clock, Log } from '../ports.ts';
import { revocationStateStale, stateRewound } from './revocations-contract.ts';

export type RevocationKind = 'jti' | 'sid' | 'family' | 'user' | 'client' | 'key';

/** One row of the feed as this copy holds it. */
export type RevocationEntry = {
  readonly epoch: number;
  readonly kind: RevocationKind;
  readonly value: string;
  /** For `user` and `client`: tokens born with a lower epoch are refused. */
  readonly tokenEpoch: number | null;
  /** The family ended because a rotated refresh token came back. */
  readonly isReuse: boolean;
  /** Whose token it was, where the row says: a later epoch of theirs covers this entry. */
  readonly userId: string | null;
  readonly clientId: string | null;
  readonly expiresAtMs: number;
};

/** The claims a token is judged by; a parsed access token is one. */
export type RevocableClaims = {
  readonly jti: string;
  readonly sid?: string | undefined;
  readonly fid?: string | undefined;
  readonly sub: string;
  readonly client_id: string;
  readonly ue: number;
  readonly ce: number;
};

type RevocationReason = 'revoked' | 'session_ended' | 'family_reused';

type RevocationState = {
  readonly fresh: boolean;
  readonly rewound: boolean;
  /** Since the last complete answer of the database was asked for; infinite before the first. */
  readonly ageMs: number;
  readonly epoch: number;
  readonly incarnation: string;
  readonly entries: number;
};

/** What every copy knows of revocations, in memory. */
export type RevocationSet = {
  /** O(1), no allocation, no I/O. Null: nothing against the token. Meaningful only while `refusal()` is null. */
  check(claims: RevocableClaims): RevocationReason | null;
  isSessionEnded(sid: string): boolean;
  isKeyRevoked(kid: string): boolean;
  /** Lowest `ue` still accepted of this user, if a cut-off lives. */
  userEpoch(userId: string): number | undefined;
  /** Why nothing may be judged now; null when it may. */
  refusal(): 'state_rewound' | 'revocation_state_stale' | null;
  state(): RevocationState;
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
 * After a commit that wrote revocations: this copy reads them at once, and who waits answers when it has; the others
 * are told. Never throws.
 */
export type HasRevocationPush = { readonly announceRevocations: () => void | Promise<void> };

/** Throws `stateRewound` or `revocationStateStale` (503) unless a token can be judged now. */
export function assertFresh(revocations: RevocationSet): void {
  const refusal = revocations.refusal();
  if (refusal === null) return;
  throw refusal === 'state_rewound'
    ? stateRewound({ retryAfterSeconds: 30 })
    : revocationStateStale({ retryAfterSeconds: 1 });
}

/** Throws `stateRewound` (503): a rewound database issues nothing. Stale copies may issue; see `ue` and `ce`. */
export function assertNotRewound(revocations: RevocationSet): void {
  if (revocations.state().rewound) throw stateRewound({ retryAfterSeconds: 30 });
}

const BUCKET_MS = 60_000;
/** Entries forgotten per sweep: a full bucket must not hold the event loop. */
const SWEEP_LIMIT = 5_000;
/** Looking through everything costs tens of milliseconds at a million entries. */
const RELIEF_INTERVAL_MS = 5_000;

export type RevocationSetOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly stalenessBoundMs: number;
  /** Entries beyond which single revocations are collapsed into epochs. */
  readonly budget: number;
};

/** As it is held: current until a newer entry of its name, or its end, takes its place. */
type Held = RevocationEntry & { isCurrent: boolean };

export function createRevocationSet(options: RevocationSetOptions): RevocationMemory {
  const { clock, log, stalenessBoundMs, budget } = options;
  const maps = {
    jti: new Map<string, Held>(),
    sid: new Map<string, Held>(),
    family: new Map<string, Held>(),
    user: new Map<string, Held>(),
    client: new Map<string, Held>(),
    key: new Map<string, Held>(),
  } as const satisfies Record<RevocationKind, Map<string, Held>>;
  const { jti, sid, family, user, client, key } = maps;
  /** Every entry in epoch order, some superseded or expired until the next compaction. */
  let ordered: Held[] = [];
  /** Entries by the minute they expire in. */
  const buckets = new Map<number, Held[]>();
  let sweptAtMs = 0;
  let epoch = 0;
  let incarnation = '';
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let confirmedWallMs = 0;
  let rewound = false;
  let alerted = false;
  let hasNewCuts = false;
  let relievedAt = Number.NEGATIVE_INFINITY;
  const listeners = new Set<() => void>();

  const entries = (): number => jti.size + sid.size + family.size + user.size + client.size + key.size;
  const ageMs = (): number => clock.monotonic() - confirmedAt;

  function forget(entry: Held): void {
    entry.isCurrent = false;
    maps[entry.kind].delete(entry.value);
  }

  /** Never weaker than what was held under the same name. */
  function merged(known: Held | undefined, entry: RevocationEntry): Held {
    if (known === undefined) return { ...entry, isCurrent: true };
    known.isCurrent = false;
    return {
      ...entry,
      tokenEpoch: entry.tokenEpoch === null ? null : Math.max(known.tokenEpoch!, entry.tokenEpoch),
      isReuse: known.isReuse || entry.isReuse,
      expiresAtMs: Math.max(known.expiresAtMs, entry.expiresAtMs),
      isCurrent: true,
    };
  }

  function hold(given: RevocationEntry): void {
    const map = maps[given.kind];
    const entry = merged(map.get(given.value), given);
    map.set(entry.value, entry);
    ordered.push(entry);
    if (entry.tokenEpoch !== null) hasNewCuts = true;
    const minute = Math.floor(entry.expiresAtMs / BUCKET_MS);
    const bucket = buckets.get(minute);
    if (bucket) bucket.push(entry);
    else buckets.set(minute, [entry]);
  }

  function compact(): void {
    if (ordered.length > 2 * entries() + 1_024) ordered = ordered.filter(({ isCurrent }) => isCurrent);
  }

  // A later epoch of its user or client refuses every token that the entry names, for at least as long. A session is
  // more than its tokens: only its user's epoch speaks for it.
  function isCovered(entry: RevocationEntry): boolean {
    if (entry.kind !== 'jti' && entry.kind !== 'sid' && entry.kind !== 'family') return false;
    const covers = (cut: RevocationEntry | undefined): boolean =>
      cut !== undefined && cut.epoch > entry.epoch && cut.expiresAtMs >= entry.expiresAtMs;
    if (entry.userId !== null && covers(user.get(entry.userId))) return true;
    return entry.kind !== 'sid' && entry.clientId !== null && covers(client.get(entry.clientId));
  }

  /** Near the budget, what an epoch has made superfluous goes. */
  function relieve(): void {
    const now = clock.monotonic();
    if (!hasNewCuts || entries() < budget * 0.8 || now - relievedAt < RELIEF_INTERVAL_MS) return;
    relievedAt = now;
    hasNewCuts = false;
    ordered = ordered.filter((entry) => {
      if (entry.isCurrent && isCovered(entry)) forget(entry);
      return entry.isCurrent;
    });
  }

  function alert(): void {
    const held = entries();
    if (held < budget * 0.8) alerted = false;
    else if (!alerted) {
      alerted = true;
      log.warn({ entries: held, budget }, 'revocations in memory pass 80 % of REVOCATION_BUDGET');
    }
  }

  /** Index of the first entry above an epoch. */
  function firstAbove(threshold: number): number {
    let low = 0;
    let high = ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ordered[middle]!.epoch > threshold) high = middle;
      else low = middle + 1;
    }
    return low;
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
      // Last: a user's cut-off ends the sessions too, and is the better reason.
      if (claims.sid !== undefined && sid.has(claims.sid)) return 'session_ended';
      return null;
    },
    isSessionEnded: (id) => sid.has(id),
    isKeyRevoked: (kid) => key.has(kid),
    userEpoch: (userId) => user.get(userId)?.tokenEpoch ?? undefined,
    refusal: () => {
      if (rewound) return 'state_rewound';
      return ageMs() > stalenessBoundMs ? 'revocation_state_stale' : null;
    },
    state: () => {
      const age = ageMs();
      return {
        fresh: !rewound && age <= stalenessBoundMs,
        rewound,
        ageMs: age,
        epoch,
        incarnation,
        entries: entries(),
      };
    },
    since(threshold, limit) {
      const found: RevocationEntry[] = [];
      for (let index = firstAbove(threshold); index < ordered.length && found.length < limit; index += 1) {
        const entry = ordered[index]!;
        if (entry.isCurrent) found.push(entry);
      }
      return found;
    },
    confirmedAtMs: () => confirmedWallMs,
    onConfirmed(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reset(next) {
      for (const map of Object.values(maps)) map.clear();
      ordered = [];
      buckets.clear();
      epoch = 0;
      incarnation = next;
      confirmedAt = Number.NEGATIVE_INFINITY;
    },
    apply(rows) {
      for (const entry of rows) if (entry.expiresAtMs > sweptAtMs) hold(entry);
      relieve();
      compact();
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
      sweptAtMs = Math.max(sweptAtMs, nowMs);
      let left = SWEEP_LIMIT;
      for (const [minute, bucket] of buckets) {
        if ((minute + 1) * BUCKET_MS > sweptAtMs) continue;
        for (let entry = bucket.pop(); entry; entry = left > 0 ? bucket.pop() : undefined) {
          left -= 1;
          if (entry.isCurrent) forget(entry);
        }
        if (bucket.length === 0) buckets.delete(minute);
        if (left <= 0) break;
      }
      relieve();
      compact();
      alert();
    },
  };
}
