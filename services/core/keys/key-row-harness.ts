// For tests only: a signing key's row, as the ring reads it.
import type { KeyRow } from './keys.store.ts';

/** When generated keys begin to sign, in milliseconds since 1970. */
export const KEY_NOW = 1_800_000_000_000;

export const keyRow = (kid: string, changes: Partial<KeyRow> = {}): KeyRow => ({
  kid,
  alg: 'RS256',
  purpose: 'access',
  public_key: '',
  sealed_private_key: 'sealed',
  published_at: KEY_NOW - 60_000,
  signs_from: KEY_NOW,
  signs_until: null,
  leaves_at: null,
  longest_token_seconds: 900,
  compromised_at: null,
  compromise_reason: null,
  rotation_note: null,
  ...changes,
});
