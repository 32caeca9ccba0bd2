import type { z } from 'zod';
import type { keyView } from './contract.ts';
import { stateOf } from './key-timeline.ts';
import type { KeyRow } from './keys.store.ts';

/** A key as shown to operators; times in ISO 8601. */
export type KeyView = z.output<typeof keyView>;

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number): string | null => (Number.isFinite(ms) ? iso(ms) : null);

/** Computes the current state from ranges and clock; it is not stored. A compromise is the end of what was planned. */
export function keyViewOf(key: KeyRow, nowMs: number): KeyView {
  const end = key.compromised_at ?? Number.POSITIVE_INFINITY;
  return {
    kid: key.kid,
    alg: key.alg,
    purpose: key.purpose,
    state: stateOf(key, nowMs),
    published_at: iso(key.published_at),
    // A replacement takes over a range that began before it existed.
    activates_at: iso(Math.min(end, Math.max(key.signs_from, key.published_at))),
    signs_until: isoOrNull(Math.min(end, key.signs_until ?? end)),
    leaves_at: isoOrNull(Math.min(end, key.leaves_at ?? end)),
    compromised_at: isoOrNull(end),
    compromise_reason: key.compromise_reason,
  };
}
