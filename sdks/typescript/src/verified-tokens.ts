import type { AccessTokenClaims } from './claims.ts';
import type { KnownKey } from './key-set.ts';

/** A token whose signature, type and claim types are verified. What depends on time is checked on every use. */
export type VerifiedToken = {
  readonly token: string;
  readonly claims: AccessTokenClaims;
  readonly kid: string;
  /** The key that verified it; undefined for a shared secret. */
  readonly key: KnownKey | undefined;
};

export type VerifiedTokens<T extends VerifiedToken = VerifiedToken> = {
  get(token: string): T | undefined;
  set(verified: T): void;
  readonly size: number;
};

/**
 * Keeps verified tokens by their whole text, in two generations: a token that was not used since the last turn of
 * generations is dropped with the next. Only tokens that were accepted are kept, so no attacker can fill it.
 */
export function createVerifiedTokens<T extends VerifiedToken = VerifiedToken>(maximum: number): VerifiedTokens<T> {
  const half = Math.ceil(maximum / 2);
  let young = new Map<string, T>();
  let old = new Map<string, T>();

  function keep(verified: T): void {
    if (young.size >= half) {
      old = young;
      young = new Map();
    }
    young.set(verified.token, verified);
  }

  return {
    get(token) {
      const found = young.get(token);
      if (found !== undefined) return found;
      const kept = old.get(token);
      if (kept !== undefined) {
        old.delete(token);
        keep(kept);
      }
      return kept;
    },
    set(verified) {
      if (maximum > 0) keep(verified);
    },
    get size() {
      return young.size + old.size;
    },
  };
}
