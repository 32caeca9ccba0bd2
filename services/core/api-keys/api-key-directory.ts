import { createPublicKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock, Ports } from '../ports.ts';
import type { PresentedApiKey } from './api-key-format.ts';
import { type LiveKeyRow, readKeyState, readKeysSince } from './api-keys.store.ts';

/** What a request by this key is checked against. */
export type LiveApiKey = Omit<LiveKeyRow, 'public_key' | 'is_revoked'> & { readonly publicKey: KeyObject | null };

/** The live keys in memory, with the state of their owners. Only `load` does I/O. */
export type ApiKeyDirectory = {
  /** Reads the changes since the last load. Called at start, when `access_version` changes, and after own writes. */
  load(): Promise<void>;
  /** Notes that the state poll saw this version at that monotonic time. */
  confirm(version: number, sentAtMs: number): void;
  /** Whether the keys in memory are what the database had at this monotonic time, or newer. */
  isConfirmedSince(monotonicMs: number): boolean;
  /** False when the keys in memory may be older than the staleness bound: then no key may be accepted. */
  isFresh(): boolean;
  /** The unexpired key with the presented secret, or with it as its previous secret during the overlap; else null. */
  authenticate(presented: PresentedApiKey): LiveApiKey | null;
  /** Keys in memory. */
  size(): number;
};

export type HasApiKeys = { readonly apiKeys: ApiKeyDirectory };

const HASH_BYTES = 32;
/** Keys live a minute or longer, so no more of them expire between two sweeps than are created in such a time. */
const SWEEP_MS = 60_000;

const liveKeyOf = ({ public_key: publicKey, is_revoked: _, ...row }: LiveKeyRow): LiveApiKey => ({
  ...row,
  publicKey: publicKey === null ? null : createPublicKey({ key: publicKey as never, format: 'jwk' }),
});

/** @param stalenessBoundMs age of the keys in memory beyond which none is accepted */
export function createApiKeyDirectory(
  ports: Pick<Ports, 'sql'> & { readonly clock: Clock },
  stalenessBoundMs: number,
): ApiKeyDirectory {
  const { sql, clock } = ports;
  // An unknown id is compared with this, so that it takes as long as a known one. No secret hashes to it.
  const dummy = randomBytes(HASH_BYTES);
  let keys = new Map<string, LiveApiKey>();
  let incarnation = '';
  let version = -1;
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let readAt = Number.NEGATIVE_INFINITY;
  let sweptAt = clock.monotonic();
  let last: Promise<void> = Promise.resolve();

  async function readChanges(): Promise<void> {
    const sentAtMs = clock.monotonic();
    const state = await readKeyState(sql);
    // A restored or replaced database has another history: read all of it again.
    const isContinued = state.incarnation === incarnation && state.version >= version;
    const from = isContinued ? version : -1;
    const rows = await readKeysSince(sql, from);
    const next = isContinued ? keys : new Map<string, LiveApiKey>();
    for (const row of rows)
      if (row.is_revoked || row.expires_at_ms <= clock.now()) next.delete(row.id);
      else next.set(row.id, liveKeyOf(row));
    keys = next;
    sweep();
    incarnation = state.incarnation;
    version = state.version;
    readAt = sentAtMs;
  }

  /** Runs with each load: memory grows only by new keys, and every new key causes a load. */
  function sweep(): void {
    if (clock.monotonic() - sweptAt < SWEEP_MS) return;
    sweptAt = clock.monotonic();
    for (const [id, { expires_at_ms: expiresAtMs }] of keys) if (expiresAtMs <= clock.now()) keys.delete(id);
  }

  return {
    // One at a time: a slow load must not overwrite a later one.
    load() {
      last = last.then(readChanges, readChanges);
      return last;
    },
    confirm(seen, sentAtMs) {
      if (version >= seen) confirmedAt = Math.max(confirmedAt, sentAtMs);
    },
    isConfirmedSince: (monotonicMs) => Math.max(confirmedAt, readAt) >= monotonicMs,
    isFresh: () => clock.monotonic() - confirmedAt <= stalenessBoundMs,
    authenticate({ id, hash }) {
      const key = keys.get(id);
      const now = clock.now();
      const isCurrent = timingSafeEqual(hash, key?.secret_hash ?? dummy);
      const isPrevious = timingSafeEqual(hash, key?.previous_hash ?? dummy);
      if (!key || key.expires_at_ms <= now) return null;
      return isCurrent || (isPrevious && now < (key.previous_until_ms ?? 0)) ? key : null;
    },
    size: () => keys.size,
  };
}
