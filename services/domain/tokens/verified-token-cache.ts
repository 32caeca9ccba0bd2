import type { KeyObject } from 'node:crypto';
import type { AccessTokenClaims } from './access-token.ts';
import type { RevocableClaims } from './revocation-set.ts';

/** A token whose signature, form and claim types hold. Everything that time can change is judged again on every use. */
export type VerifiedToken = {
  readonly claims: AccessTokenClaims;
  readonly kid: string;
  /** The key that verified it: a ring that now holds another under the same kid makes it unverified. */
  readonly key: KeyObject;
  /** What a revocation may name, ready for the look-up. */
  readonly revocable: RevocableClaims;
  /** The validate answer for the plain question, ready to send. */
  readonly answer: string;
};

/** Verified tokens by their whole text: two that differ in one character never share a verdict. */
export type VerifiedTokenCache = {
  get(token: string): VerifiedToken | undefined;
  set(token: string, verified: VerifiedToken): void;
  readonly size: number;
};

export type HasVerifiedTokens = { readonly verifiedTokens: VerifiedTokenCache };

export const DEFAULT_CACHE_ENTRIES = 50_000;

/**
 * A bounded cache in two generations: when the young one is full it becomes the old one, and what is still used moves
 * back. Only tokens with our signature get in, so strangers cannot flood it.
 * @param maximumEntries of both generations together
 */
export function createVerifiedTokenCache(maximumEntries: number = DEFAULT_CACHE_ENTRIES): VerifiedTokenCache {
  const generationEntries = Math.max(1, Math.floor(maximumEntries / 2));
  let young = new Map<string, VerifiedToken>();
  let old = new Map<string, VerifiedToken>();

  const set = (token: string, verified: VerifiedToken): void => {
    if (young.size >= generationEntries) {
      old = young;
      young = new Map();
    }
    young.set(token, verified);
  };

  return {
    get(token) {
      const recent = young.get(token);
      if (recent !== undefined) return recent;
      const earlier = old.get(token);
      if (earlier !== undefined) set(token, earlier);
      return earlier;
    },
    set,
    get size() {
      return young.size + old.size;
    },
  };
}
