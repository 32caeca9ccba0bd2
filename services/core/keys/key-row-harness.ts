// For tests only: a signing key's row, as the ring reads it.
import type { KeyRow } from './keys.store.ts';

/** When generated keys begin to sign, in milliseconds since 1970. */
export const KEY_NOW = 1_800_000_000_000;

export const keyRow = (kid: string, changes: Partial<KeyRow> = {}): KeyRow => ({
  kid,
  alg: 'RS256',
  purpose: 'access',
  publicKey: '',
  sealedPrivateKey: 'sealed',
  publishedAt: KEY_NOW - 60_000,
  signsFrom: KEY_NOW,
  signsUntil: null,
  leavesAt: null,
  longestTokenSeconds: 900,
  compromisedAt: null,
  compromiseReason: null,
  rotationNote: null,
  ...changes,
});
