import type { KeyObject } from 'node:crypto';
import type { RevocableClaims } from '#services/core/revocations/revocation-set.ts';
import type { AccessTokenClaims } from '../access-token.ts';

/** A token with a verified signature, format and claim types. Checks that depend on time run again on every use. */
export type VerifiedToken = {
  readonly claims: AccessTokenClaims;
  readonly kid: string;
  /** The key that verified it. If the key ring has another key under the same kid, the token must be verified again. */
  readonly key: KeyObject;
  /** The one audience that a shared secret can sign for. */
  readonly keyAudience: string | undefined;
  /** The claims that revocations are matched with, prepared for the look-up. */
  readonly revocable: RevocableClaims;
  /** The validate response without further requirements, ready to send. */
  readonly answer: string;
};

/** Caches verified tokens by their whole text, so that tokens that differ in one character never share an entry. */
type VerifiedTokenCache = {
  get(token: string): VerifiedToken | undefined;
  /** Keeps the token if it was offered before, and if a full cache admits it. */
  offer(token: string, verified: VerifiedToken): void;
  readonly size: number;
  /** Estimated bytes of all entries. */
  readonly bytes: number;
};

export type HasVerifiedTokens = { readonly verifiedTokens: VerifiedTokenCache };

/** Fingerprints of tokens seen once; a power of two. */
const SEEN_SLOTS = 131_072;

/** Length of the key of an entry, in characters: the end of the signature, 192 random bits. */
const NAME_LENGTH = 32;

/**
 * A full cache admits one of this many. Otherwise, when more tokens are used in turn than fit, they would evict each
 * other before their next use and never hit. So most entries stay, and a token in frequent use is admitted after a few
 * verifications.
 */
const ADMITTED_OF = 8;

/** Hashing a whole token to find it costs more than the rest of a look-up. */
const nameOf = (token: string): string => token.slice(-NAME_LENGTH);

type Entry = { token: string; verified: VerifiedToken; isUsed: boolean };

/** Estimates 8 to 15 % too much: measured are 2,560 bytes for a token of 1,000 characters and 4,509 for one of 1,494. */
const bytesOf = ({ token, verified }: Entry): number => token.length + 4 * verified.answer.length;

/** Returns 32 bits of the token's last characters, which are random because they end its signature. */
function fingerprintOf(token: string): number {
  let fingerprint = 0;
  for (let at = token.length - 8; at < token.length; at += 1)
    fingerprint = (Math.imul(fingerprint, 31) + token.charCodeAt(at)) | 0;
  return fingerprint;
}

/**
 * A cache with a limit in bytes and CLOCK eviction: a hand circles the entries and evicts the first that was not used
 * since it last passed. A token is cached from its second use on, because most tokens reach a copy once, and caching those
 * costs more than verifying the others twice. Only tokens with our signature are cached, so an attacker cannot flood it.
 */
export function createVerifiedTokenCache(maximumBytes: number, random: () => number = Math.random): VerifiedTokenCache {
  const seen = new Int32Array(SEEN_SLOTS);
  const byName = new Map<string, Entry>();
  const entries: Entry[] = [];
  let hand = 0;
  let bytes = 0;

  function evict(): void {
    if (hand >= entries.length) hand = 0;
    let evicted = entries[hand] as Entry;
    // One step for each earlier use, so the cost of each use is constant.
    while (evicted.isUsed) {
      evicted.isUsed = false;
      hand = (hand + 1) % entries.length;
      evicted = entries[hand] as Entry;
    }
    const last = entries.pop() as Entry;
    if (last !== evicted) entries[hand] = last;
    byName.delete(nameOf(evicted.token));
    bytes -= bytesOf(evicted);
  }

  function keep(entry: Entry): void {
    const name = nameOf(entry.token);
    const needed = bytesOf(entry);
    const known = byName.get(name);
    if (needed > maximumBytes) return;
    if (known !== undefined) {
      // Verified again, by another key under the same kid.
      bytes += needed - bytesOf(known);
      Object.assign(known, entry);
      while (bytes > maximumBytes) evict();
      return;
    }
    if (bytes + needed > maximumBytes && random() >= 1 / ADMITTED_OF) return;
    while (bytes + needed > maximumBytes) evict();
    byName.set(name, entry);
    // Inserted directly behind the hand, which therefore reaches it last.
    entries.push(entries[hand] ?? entry);
    entries[hand] = entry;
    hand += 1;
    bytes += needed;
  }

  return {
    get(token) {
      const entry = byName.get(nameOf(token));
      // The last characters find an entry, but only the whole text identifies the token.
      if (entry?.token !== token) return undefined;
      entry.isUsed = true;
      return entry.verified;
    },
    offer(token, verified) {
      const fingerprint = fingerprintOf(token);
      const slot = fingerprint & (SEEN_SLOTS - 1);
      // A collision of two tokens in one slot only delays caching them.
      if (seen[slot] === fingerprint) keep({ token, verified, isUsed: false });
      else seen[slot] = fingerprint;
    },
    get size() {
      return entries.length;
    },
    get bytes() {
      return bytes;
    },
  };
}
