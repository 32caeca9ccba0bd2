import { createPublicKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock, Ports } from '../ports.ts';
import type { PresentedApiKey } from './api-key-format.ts';
import { type LiveKeyRow, readKeyState, readKeysSince } from './api-keys.store.ts';

/** A key as requests are judged by it. */
export type LiveApiKey = Omit<LiveKeyRow, 'publicKey' | 'isRevoked'> & { readonly publicKey: KeyObject | null };

/** Keys in memory, with what is known of their owners. Nothing but `load` does I/O. */
export type ApiKeyDirectory = {
  /** Reads what changed since the last time; called at start, when `access_version` moves, and after own writes. */
  load(): Promise<void>;
  /** The state poll saw this version at that monotonic time: what is held is as new, or is not. */
  confirm(version: number, sentAtMs: number): void;
  /** False when what is held may be older than the bound: then no key may be believed. */
  isFresh(): boolean;
  /** The key whose secret, or whose secret of before while that is good, was presented. Expired ones are none. */
  authenticate(presented: PresentedApiKey): LiveApiKey | null;
  /** Keys in memory. */
  size(): number;
};

export type HasApiKeys = { readonly apiKeys: ApiKeyDirectory };

const HASH_BYTES = 32;
/** Keys live a minute or longer: what has expired since the last sweep is no more than was made in such a time. */
const SWEEP_MS = 60_000;

function liveKeyOf({ publicKey, isRevoked: _, ...row }: LiveKeyRow): LiveApiKey {
  return {
    ...row,
    publicKey: publicKey === null ? null : createPublicKey({ key: publicKey as never, format: 'jwk' }),
  };
}

/** @param stalenessBoundMs how old what is held may be before no key is believed */
export function createApiKeyDirectory(
  ports: Pick<Ports, 'sql'> & { readonly clock: Clock },
  stalenessBoundMs: number,
): ApiKeyDirectory {
  const { sql, clock } = ports;
  // No secret hashes to it: what an unknown id is compared with.
  const dummy = randomBytes(HASH_BYTES);
  let held = new Map<string, LiveApiKey>();
  let incarnation = '';
  let version = -1;
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let sweptAt = clock.monotonic();
  let last: Promise<void> = Promise.resolve();

  async function readChanges(): Promise<void> {
    const state = await readKeyState(sql);
    // Another history: what was read of the one before says nothing of this one.
    const isContinued = state.incarnation === incarnation && state.version >= version;
    const from = isContinued ? version : -1;
    const rows = await readKeysSince(sql, from);
    const next = isContinued ? held : new Map<string, LiveApiKey>();
    for (const row of rows) {
      if (row.isRevoked || row.expiresAtMs <= clock.now()) next.delete(row.id);
      else next.set(row.id, liveKeyOf(row));
    }
    held = next;
    sweep();
    incarnation = state.incarnation;
    version = state.version;
  }

  /** Memory grows by new keys alone, and every new key brings a load: it is swept there. */
  function sweep(): void {
    if (clock.monotonic() - sweptAt < SWEEP_MS) return;
    sweptAt = clock.monotonic();
    for (const [id, { expiresAtMs }] of held) if (expiresAtMs <= clock.now()) held.delete(id);
  }

  return {
    // One after the other: a slower one must not undo one begun after it.
    load() {
      last = last.then(readChanges, readChanges);
      return last;
    },
    confirm(seen, sentAtMs) {
      if (version >= seen) confirmedAt = Math.max(confirmedAt, sentAtMs);
    },
    isFresh: () => clock.monotonic() - confirmedAt <= stalenessBoundMs,
    authenticate({ id, hash }) {
      const key = held.get(id);
      const now = clock.now();
      const isCurrent = timingSafeEqual(hash, key?.secretHash ?? dummy);
      const isPrevious = timingSafeEqual(hash, key?.previousHash ?? dummy);
      if (!key || key.expiresAtMs <= now) return null;
      return isCurrent || (isPrevious && now < (key.previousUntilMs ?? 0)) ? key : null;
    },
    size: () => held.size,
  };
}
