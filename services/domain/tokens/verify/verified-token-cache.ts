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

/** Characters that name a token: the end of its signature, 192 random bits. */
const NAME_LENGTH = 32;

/** Hashing a whole token to find it costs more than everything else that is asked of it. */
const nameOf = (token: string): string => token.slice(-NAME_LENGTH);

type Kept = { readonly token: string; readonly verified: VerifiedToken };

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
  let young = new Map<string, Kept>();
  let old = new Map<string, Kept>();

  const keep = (name: string, kept: Kept): void => {
    if (young.size >= generationEntries) {
      old = young;
      young = new Map();
    }
    young.set(name, kept);
  };

  return {
    get(token) {
      const name = nameOf(token);
      let kept = young.get(name);
      if (kept === undefined) {
        kept = old.get(name);
        if (kept !== undefined) keep(name, kept);
      }
      // Its name finds it; its whole text tells whether it is the one.
      return kept?.token === token ? kept.verified : undefined;
    },
    offer(token, verified) {
      const fingerprint = fingerprintOf(token);
      const slot = fingerprint & (SEEN_SLOTS - 1);
      // Two tokens on one slot only put off being kept.
      if (seen[slot] === fingerprint) keep(nameOf(token), { token, verified });
      else seen[slot] = fingerprint;
    },
    get size() {
      return young.size + old.size;
    },
  };
}
