import type { z } from 'zod';
import type { keyView } from './contract.ts';
import { stateOf } from './key-timeline.ts';
import type { KeyRow } from './keys.store.ts';

/** A key as shown to operators; times in ISO 8601. */
export type KeyView = z.output<typeof keyView>;

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

/** Computes the current state from ranges and clock; it is not stored. */
export const keyViewOf = (key: KeyRow, nowMs: number): KeyView => ({
  kid: key.kid,
  alg: key.alg,
  purpose: key.purpose,
  state: stateOf(key, nowMs),
  published_at: iso(key.published_at),
  // A replacement takes over a range that began before it existed.
  activates_at: iso(Math.max(key.signs_from, key.published_at)),
  signs_until: isoOrNull(key.signs_until),
  leaves_at: isoOrNull(key.leaves_at),
  compromised_at: isoOrNull(key.compromised_at),
  compromise_reason: key.compromise_reason,
});
