import { createHmac } from 'node:crypto';
import { hashSync, verifySync } from '@node-rs/bcrypt';
import { UnknownDigestError } from './errors.ts';

const bcryptCost = 12;
const bcryptBytesMax = 72;

// Costs above 15 would hold a child for seconds; such a digest is refused as unknown.
const bcryptDigest = /^\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/;
const currentBcryptPrefix = `$2b$${bcryptCost}$`;

/** bcrypt over the peppered, base64 HMAC-SHA-256 of the password: `$sp1$` followed by the bcrypt string. */
const prehashPrefix = '$sp1$';

interface Scheme {
  readonly prefix: string;
  isWellFormed(digest: string): boolean;
  /** False when a password verified by this digest deserves a new one. */
  isCurrent(digest: string): boolean;
  verify(password: string, digest: string, pepper: Uint8Array): boolean;
}

const bcrypt = {
  isWellFormed: (digest: string): boolean => bcryptDigest.test(digest),
  isCurrent: (digest: string): boolean => digest.startsWith(currentBcryptPrefix),
  // A password that plain bcrypt would cut is never right here, and costs what every other one costs.
  verify: (password: string, digest: string, pepper: Uint8Array): boolean => {
    if (fitsBcrypt(password)) return verifySync(password, digest);
    verifySync(prehash(password, pepper), digest);
    return false;
  },
};

const prehashedBcrypt = {
  isWellFormed: (digest: string): boolean => bcryptDigest.test(withoutPrehashPrefix(digest)),
  isCurrent: (digest: string): boolean => withoutPrehashPrefix(digest).startsWith(currentBcryptPrefix),
  verify: (password: string, digest: string, pepper: Uint8Array): boolean =>
    verifySync(prehash(password, pepper), withoutPrehashPrefix(digest)),
};

const schemes: readonly Scheme[] = [
  { prefix: '$2a$', ...bcrypt },
  { prefix: '$2b$', ...bcrypt },
  { prefix: '$2y$', ...bcrypt },
  { prefix: prehashPrefix, ...prehashedBcrypt },
];

/** @throws UnknownDigestError when no scheme has this prefix, or its form is broken. */
export function findScheme(digest: string): Scheme {
  const scheme = schemes.find(({ prefix }) => digest.startsWith(prefix));
  if (!scheme?.isWellFormed(digest)) throw new UnknownDigestError();
  return scheme;
}

/** A new digest of a normalised password. Blocks its thread for the whole hash: only children call it. */
export function hashPassword(password: string, pepper: Uint8Array): string {
  if (fitsBcrypt(password)) return bcryptHash(password);
  return prehashPrefix + bcryptHash(prehash(password, pepper));
}

/**
 * Blocks its thread for the whole verification: only children call it.
 * @throws UnknownDigestError
 */
export function verifyPassword(password: string, digest: string, pepper: Uint8Array): boolean {
  return findScheme(digest).verify(password, digest, pepper);
}

function bcryptHash(key: string): string {
  return hashSync(key, { cost: bcryptCost, version: '2b', rejectLongPasswords: true });
}

// bcrypt repeats its key after a closing NUL, so "a" and "a\0a" are one key to it, even without truncation.
function fitsBcrypt(password: string): boolean {
  return Buffer.byteLength(password) <= bcryptBytesMax && !password.includes('\0');
}

function prehash(password: string, pepper: Uint8Array): string {
  return createHmac('sha256', pepper).update(password, 'utf8').digest('base64');
}

function withoutPrehashPrefix(digest: string): string {
  return digest.slice(prehashPrefix.length);
}
