import { createHmac } from 'node:crypto';
import { hashSync, verifySync } from '@node-rs/bcrypt';
import { UnknownDigestError } from './errors.ts';
import {
  argon2id,
  argon2idCurrentPrefix,
  argon2idHash,
  betterAuthScrypt,
  type DigestKind,
  pbkdf2,
  scrypt,
} from './imported.ts';

/** Algorithm of new digests; digests of every known kind are verified with either setting. */
export type HashAlgorithm = 'bcrypt' | 'argon2id';

export const BCRYPT_COST = 12;
const BCRYPT_BYTES_MAX = 72;

// Costs above 15 would block a child for seconds; such a digest is rejected as unknown.
const bcryptDigest = /^\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/;
const currentBcryptPrefix = `$2b$${BCRYPT_COST}$`;

/** bcrypt over the peppered, base64 HMAC-SHA-256 of the password: `$sp1$` followed by the bcrypt string. */
const PREHASH_PREFIX = '$sp1$';

type Scheme = {
  isWellFormed(digest: string): boolean;
  /** False when the digest should be replaced after a successful verification. */
  isCurrent(digest: string, algorithm?: HashAlgorithm): boolean;
  verify(password: string, digest: string, pepper: Uint8Array): boolean;
};

const bcrypt = {
  isWellFormed: (digest: string): boolean => bcryptDigest.test(digest),
  isCurrent: (digest: string, algorithm: HashAlgorithm = 'bcrypt'): boolean =>
    algorithm === 'bcrypt' && digest.startsWith(currentBcryptPrefix),
  // A password that plain bcrypt would truncate never matches, but takes as long as any other.
  verify: (password: string, digest: string, pepper: Uint8Array): boolean => {
    if (fitsBcrypt(password)) return verifySync(password, digest);
    verifySync(prehash(password, pepper), digest);
    return false;
  },
};

const prehashedBcrypt = {
  isWellFormed: (digest: string): boolean =>
    digest.startsWith(PREHASH_PREFIX) && bcryptDigest.test(withoutPrehashPrefix(digest)),
  isCurrent: (digest: string, algorithm: HashAlgorithm = 'bcrypt'): boolean =>
    algorithm === 'bcrypt' && withoutPrehashPrefix(digest).startsWith(currentBcryptPrefix),
  verify: (password: string, digest: string, pepper: Uint8Array): boolean =>
    verifySync(prehash(password, pepper), withoutPrehashPrefix(digest)),
};

const argon2 = {
  ...argon2id,
  isCurrent: (digest: string, algorithm: HashAlgorithm = 'bcrypt'): boolean =>
    algorithm === 'argon2id' && digest.startsWith(argon2idCurrentPrefix),
};

/** A scheme of imported digests, which are replaced at the first successful sign-in. */
const imported = (kind: DigestKind): Scheme => ({ ...kind, isCurrent: () => false });

const schemes: readonly Scheme[] = [
  bcrypt,
  prehashedBcrypt,
  argon2,
  imported(scrypt),
  imported(betterAuthScrypt),
  imported(pbkdf2),
];

/** @throws UnknownDigestError if no scheme has this form, or if its parameters are too costly */
export function findScheme(digest: string): Scheme {
  const scheme = schemes.find((each) => each.isWellFormed(digest));
  if (!scheme) throw new UnknownDigestError();
  return scheme;
}

/** A new digest of a normalised password. Blocks its thread for the whole hash: only children call it. */
export function hashPassword(password: string, pepper: Uint8Array, algorithm: HashAlgorithm = 'bcrypt'): string {
  if (algorithm === 'argon2id') return argon2idHash(password);
  if (fitsBcrypt(password)) return bcryptHash(password);
  return PREHASH_PREFIX + bcryptHash(prehash(password, pepper));
}

/**
 * Blocks its thread for the whole verification: only children call it.
 * @throws UnknownDigestError
 */
export function verifyPassword(password: string, digest: string, pepper: Uint8Array): boolean {
  return findScheme(digest).verify(password, digest, pepper);
}

function bcryptHash(key: string): string {
  return hashSync(key, { cost: BCRYPT_COST, version: '2b', rejectLongPasswords: true });
}

// bcrypt repeats its key after a closing NUL, so "a" and "a\0a" are the same key even without truncation.
function fitsBcrypt(password: string): boolean {
  return Buffer.byteLength(password) <= BCRYPT_BYTES_MAX && !password.includes('\0');
}

function prehash(password: string, pepper: Uint8Array): string {
  return createHmac('sha256', pepper).update(password, 'utf8').digest('base64');
}

function withoutPrehashPrefix(digest: string): string {
  return digest.slice(PREHASH_PREFIX.length);
}
