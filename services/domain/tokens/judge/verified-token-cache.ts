import type { KeyObject } from 'node:crypto';
import type { AccessTokenClaims } from '../access-token.ts';
import type { RevocableClaims } from '../revocations/revocation-set.ts';

/** A token whose signature, form and claim types hold. Everything that time can change is judged again on every use. */
export type VerifiedToken = {
  readonly claims: AccessTokenClaims;
  readonly kid: string;
  /** The key that verified it: a ring that now holds another under the same kid makes it unverified. */
  readonly key: KeyObject;
  /** The one audience a shared secret speaks for. */
  readonly keyAudience: string | undefined;
  /** What a revocation may name, ready for the look-up. */
  readonly revocable: RevocableClaims;
  /** The validate answer for the plain question, ready to send. */
  readonly answer: string;
};

/** Verified tokens by their whole text: two that differ in one character never share a verdict. */
export type VerifiedTokenCache = {
  get(token: string): VerifiedToken | undefined;
  /** Keeps the token if it was offered before. */
  offer(token: string, verified: VerifiedToken): void;
  readonly size: number;
};

export type HasVerifiedTokens = { readonly verifiedTokens: VerifiedTokenCache };

const DEFAULT_CACHE_ENTRIES = 50_000;

/** Marks of tokens seen once; a power of two. */
const SEEN_SLOTS = 131_072;

/** 32 bits of a token's last characters, which are random: they end its signature. */
function fingerprintOf(token: string): number {
  let fingerprint = 0;
  for (let at = token.length - 8; at < token.length; at += 1)
    fingerprint = (Math.imul(fingerprint, 31) + token.charCodeAt(at)) | 0;
  return fingerprint;
}

/**
 * A bounded cache in two generations: when the young one is full it becomes the old one, and what is still used moves
 * back. A token is kept from its second use on: most are shown once to one copy, and keeping those costs more
 * than verifying the others twice. Only tokens with our signature get in, so strangers cannot flood it.
 * @param maximumEntries of both generations together
 */
export function createVerifiedTokenCache(maximumEntries: number = DEFAULT_CACHE_ENTRIES): VerifiedTokenCache {
  const generationEntries = Math.max(1, Math.floor(maximumEntries / 2));
  const seen = new Int32Array(SEEN_SLOTS);
  let young = new Map<string, VerifiedToken>();
  let old = new Map<string, VerifiedToken>();

  const keep = (token: string, verified: VerifiedToken): void => {
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
      if (earlier !== undefined) keep(token, earlier);
      return earlier;
    },
    offer(token, verified) {
      const fingerprint = fingerprintOf(token);
      const slot = fingerprint & (SEEN_SLOTS - 1);
      // Two tokens on one slot only put off being kept.
      if (seen[slot] === fingerprint) keep(token, verified);
      else seen[slot] = fingerprint;
    },
    get size() {
      return young.size + old.size;
    },
  };
}
