import type { Clock } from '#services/domain/ports.ts';

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

/** The live entries: by name, in epoch order, and by when they end. */
export type RevocationLog = {
  readonly byName: Readonly<Record<RevocationKind, ReadonlyMap<string, RevocationEntry>>>;
  size(): number;
  /** Live entries above an epoch, in order, at most `limit`. */
  since(epoch: number, limit: number): RevocationEntry[];
  /** Entries in epoch order; what no living token can carry any more is left out. */
  append(entries: readonly RevocationEntry[]): void;
  /** Forgets what no living token can carry any more; a bounded piece of work per call. */
  sweep(nowMs: number): void;
  clear(): void;
};

const BUCKET_MS = 60_000;
/** Entries forgotten per sweep: a full bucket must not hold the event loop. */
const SWEEP_LIMIT = 5_000;
/** Looking through everything costs tens of milliseconds at a million entries. */
const RELIEF_INTERVAL_MS = 5_000;

/** As it is held: current until a newer entry of its name, or its end, takes its place. */
type Held = RevocationEntry & { isCurrent: boolean };

/** @param crowdedAt entries from which on those are dropped that a later epoch covers */
export function createRevocationLog(clock: Clock, crowdedAt: number): RevocationLog {
  const byName = {
    jti: new Map<string, Held>(),
    sid: new Map<string, Held>(),
    family: new Map<string, Held>(),
    user: new Map<string, Held>(),
    client: new Map<string, Held>(),
    key: new Map<string, Held>(),
  } as const satisfies Record<RevocationKind, Map<string, Held>>;
  const { jti, sid, family, user, client, key } = byName;
  /** Every entry in epoch order, some superseded or expired until the next compaction. */
  let ordered: Held[] = [];
  /** Entries by the minute they expire in. */
  const buckets = new Map<number, Held[]>();
  let sweptAtMs = 0;
  let hasNewCuts = false;
  let relievedAt = Number.NEGATIVE_INFINITY;

  const size = (): number => jti.size + sid.size + family.size + user.size + client.size + key.size;

  function hold(given: RevocationEntry): void {
    const names = byName[given.kind];
    const entry = merged(names.get(given.value), given);
    names.set(entry.value, entry);
    ordered.push(entry);
    if (entry.tokenEpoch !== null) hasNewCuts = true;
    const minute = Math.floor(entry.expiresAtMs / BUCKET_MS);
    const bucket = buckets.get(minute);
    if (bucket) bucket.push(entry);
    else buckets.set(minute, [entry]);
  }

  function forget(entry: Held): void {
    entry.isCurrent = false;
    byName[entry.kind].delete(entry.value);
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

  /** Where it is crowded, what an epoch has made superfluous goes. */
  function relieve(): void {
    const now = clock.monotonic();
    if (!hasNewCuts || size() < crowdedAt || now - relievedAt < RELIEF_INTERVAL_MS) return;
    relievedAt = now;
    hasNewCuts = false;
    ordered = ordered.filter((entry) => {
      if (entry.isCurrent && isCovered(entry)) forget(entry);
      return entry.isCurrent;
    });
  }

  function compact(): void {
    if (ordered.length > 2 * size() + 1_024) ordered = ordered.filter(({ isCurrent }) => isCurrent);
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
    byName,
    size,
    since(threshold, limit) {
      const found: RevocationEntry[] = [];
      for (let index = firstAbove(threshold); index < ordered.length && found.length < limit; index += 1) {
        const entry = ordered[index]!;
        if (entry.isCurrent) found.push(entry);
      }
      return found;
    },
    append(entries) {
      for (const entry of entries) if (entry.expiresAtMs > sweptAtMs) hold(entry);
      relieve();
      compact();
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
    },
    clear() {
      for (const names of Object.values(byName)) names.clear();
      ordered = [];
      buckets.clear();
    },
  };
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
