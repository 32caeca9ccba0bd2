import type { Clock } from '#services/core/ports.ts';

export type RevocationKind = 'jti' | 'sid' | 'family' | 'user' | 'client' | 'key';

export type RevocationEntry = {
  readonly epoch: number;
  readonly kind: RevocationKind;
  readonly value: string;
  /** For `user` and `client`: tokens issued with a lower epoch are rejected. */
  readonly tokenEpoch: number | null;
  /** The family was ended because a refresh token was presented after its successor was used. */
  readonly isReuse: boolean;
  /** Owner of the token, where the row has one: a later epoch of this user or client covers the entry. */
  readonly userId: string | null;
  readonly clientId: string | null;
  readonly expiresAtMs: number;
};

/** The live entries: by kind and value, in epoch order, and by expiry. */
type RevocationLog = {
  readonly byName: Readonly<Record<RevocationKind, ReadonlyMap<string, RevocationEntry>>>;
  size(): number;
  /** Live entries above an epoch, in order, at most `limit`. */
  since(epoch: number, limit: number): RevocationEntry[];
  /** Adds entries, which are in epoch order. Leaves out entries that have expired. */
  append(entries: readonly RevocationEntry[]): void;
  /** Removes expired entries, a bounded number per call. */
  sweep(nowMs: number): void;
  clear(): void;
};

const BUCKET_MS = 60_000;
/** Entries removed per sweep, so that a full bucket does not block the event loop. */
const SWEEP_LIMIT = 5_000;
/** Shortest time between two scans of all entries: a scan of a million takes tens of milliseconds. */
const SCAN_INTERVAL_MS = 5_000;

/** A stored entry is current until it is removed, or until a newer entry with its kind and value replaces it. */
type StoredEntry = RevocationEntry & { isCurrent: boolean };

/** @param crowdedAt number of entries from which on entries that a later epoch covers are removed */
export function createRevocationLog(clock: Clock, crowdedAt: number): RevocationLog {
  const byName = {
    jti: new Map<string, StoredEntry>(),
    sid: new Map<string, StoredEntry>(),
    family: new Map<string, StoredEntry>(),
    user: new Map<string, StoredEntry>(),
    client: new Map<string, StoredEntry>(),
    key: new Map<string, StoredEntry>(),
  } as const satisfies Record<RevocationKind, Map<string, StoredEntry>>;
  const { jti, sid, family, user, client, key } = byName;
  /** Every entry in epoch order, some superseded or expired until the next compaction. */
  let ordered: StoredEntry[] = [];
  /** Entries by the minute in which they expire. */
  const buckets = new Map<number, StoredEntry[]>();
  let sweptAtMs = 0;
  let hasNewEpochs = false;
  let scannedAt = Number.NEGATIVE_INFINITY;

  const size = (): number => jti.size + sid.size + family.size + user.size + client.size + key.size;

  function store(given: RevocationEntry): void {
    const names = byName[given.kind];
    const entry = merged(names.get(given.value), given);
    names.set(entry.value, entry);
    ordered.push(entry);
    if (entry.tokenEpoch !== null) hasNewEpochs = true;
    const minute = Math.floor(entry.expiresAtMs / BUCKET_MS);
    const bucket = buckets.get(minute);
    if (bucket) bucket.push(entry);
    else buckets.set(minute, [entry]);
  }

  function forget(entry: StoredEntry): void {
    entry.isCurrent = false;
    byName[entry.kind].delete(entry.value);
  }

  // A later epoch of the user or client rejects every token that the entry revokes, for at least as long. A session also
  // has a cookie, which only an epoch of the user ends.
  function isCovered(entry: RevocationEntry): boolean {
    if (entry.kind !== 'jti' && entry.kind !== 'sid' && entry.kind !== 'family') return false;
    const covers = (epochEntry: RevocationEntry | undefined): boolean =>
      epochEntry !== undefined && epochEntry.epoch > entry.epoch && epochEntry.expiresAtMs >= entry.expiresAtMs;
    if (entry.userId !== null && covers(user.get(entry.userId))) return true;
    return entry.kind !== 'sid' && entry.clientId !== null && covers(client.get(entry.clientId));
  }

  /** Removes entries that an epoch covers, once the log is crowded. */
  function removeCovered(): void {
    const now = clock.monotonic();
    if (!hasNewEpochs || size() < crowdedAt || now - scannedAt < SCAN_INTERVAL_MS) return;
    scannedAt = now;
    hasNewEpochs = false;
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
      for (const entry of entries) if (entry.expiresAtMs > sweptAtMs) store(entry);
      removeCovered();
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
      removeCovered();
      compact();
    },
    clear() {
      for (const names of Object.values(byName)) names.clear();
      ordered = [];
      buckets.clear();
    },
  };
}

/** Merges an entry with the previous one of its kind and value; the result revokes at least what either revoked. */
function merged(known: StoredEntry | undefined, entry: RevocationEntry): StoredEntry {
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
