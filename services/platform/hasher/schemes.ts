import { createHmac } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
import { UnhashablePasswordError, UnknownDigestError } from './errors.ts';
import { ARGON2ID_CURRENT_PREFIX, argon2i, argon2id, argon2idHash } from './formats/argon2.ts';
import { bcrypt, fitsBcrypt, importedBcrypt } from './formats/bcrypt.ts';
import type { DigestKind } from './formats/define-kind.ts';
import { djangoKinds } from './formats/django.ts';
import { firebaseScrypt } from './formats/firebase-scrypt.ts';
import { md5Crypt } from './formats/md5-crypt.ts';
import { pbkdf2 } from './formats/pbkdf2.ts';
import { phpass } from './formats/phpass.ts';
import { saltedKinds } from './formats/salted.ts';
import { betterAuthScrypt, djangoScrypt, scrypt, werkzeugScrypt } from './formats/scrypt.ts';
import { sha256Crypt, sha512Crypt } from './formats/sha-crypt.ts';
import { wordpressBcrypt } from './formats/wordpress.ts';

/** Algorithm of new digests; digests of every known kind are verified with either setting. */
export type HashAlgorithm = 'bcrypt' | 'argon2id';

export const BCRYPT_COST = 12;
export const currentBcryptPrefix = `$2b$${BCRYPT_COST}$`;

/** bcrypt over the peppered, base64 HMAC-SHA-256 of the password: `$sp1$` followed by the bcrypt string. */
const PREHASH_PREFIX = '$sp1$';

type Scheme = {
  /** Name of the format in reports. */
  readonly format: string;
  inspect: DigestKind['inspect'];
  /** False when the digest should be replaced after a successful verification. */
  isCurrent(digest: string, algorithm?: HashAlgorithm): boolean;
  keyIdOf: DigestKind['keyIdOf'];
  verify(password: string, digest: string, pepper: Uint8Array, importedKey?: Uint8Array): boolean;
};

/** A scheme of imported digests, which are replaced at the first successful sign-in. */
const imported = (kind: DigestKind): Scheme => ({
  ...kind,
  isCurrent: () => false,
  verify: (password, digest, _pepper, importedKey) => kind.verify(password, digest, importedKey),
});

/** A digest of ours; `asImported` gives one of another system that looks like it another name. */
const isOwnBcrypt = (digest: string): boolean => digest.startsWith(currentBcryptPrefix);

const plainBcrypt: Scheme = {
  ...imported(bcrypt),
  verify: (password, digest) => (isOwnBcrypt(digest) ? bcrypt : importedBcrypt).verify(password, digest, undefined),
  isCurrent: (digest, algorithm = 'bcrypt') => algorithm === 'bcrypt' && isOwnBcrypt(digest),
};

const prehashedBcrypt: Scheme = {
  ...imported(bcrypt),
  format: 'bcrypt-prehashed',
  inspect: (digest) => (digest.startsWith(PREHASH_PREFIX) ? bcrypt.inspect(withoutPrehashPrefix(digest)) : undefined),
  isCurrent: (digest, algorithm = 'bcrypt') =>
    algorithm === 'bcrypt' && withoutPrehashPrefix(digest).startsWith(currentBcryptPrefix),
  verify: (password, digest, pepper) =>
    bcrypt.verify(prehash(password, pepper), withoutPrehashPrefix(digest), undefined),
};

const currentArgon2: Scheme = {
  ...imported(argon2id),
  isCurrent: (digest, algorithm = 'bcrypt') => algorithm === 'argon2id' && digest.startsWith(ARGON2ID_CURRENT_PREFIX),
};

const schemes: readonly Scheme[] = [
  plainBcrypt,
  prehashedBcrypt,
  currentArgon2,
  ...[
    ...[argon2i, scrypt, betterAuthScrypt, djangoScrypt, werkzeugScrypt, firebaseScrypt, pbkdf2, phpass],
    ...[sha256Crypt, sha512Crypt, md5Crypt, wordpressBcrypt, ...djangoKinds, ...saltedKinds],
  ].map(imported),
];

/** @throws UnknownDigestError if no scheme has this form, or if its parameters are too costly */
export function findScheme(digest: string): Scheme {
  const scheme = schemes.find((each) => each.inspect(digest)?.isVerifiable);
  if (!scheme) throw new UnknownDigestError();
  return scheme;
}

/** Formats that are imported only if the operator names them. Others have weak digests, as PBKDF2 of one round. */
export const weakFormats: readonly string[] = [...saltedKinds, md5Crypt].map(({ format }) => format);

/**
 * How a digest of another system is stored: bcrypt that looks like ours has the other name of the same algorithm, so that
 * it is known as imported, compared as the other system compares, and replaced at the first sign-in.
 */
export const asImported = (digest: string): string =>
  isOwnBcrypt(digest) ? `$2y$${digest.slice('$2b$'.length)}` : digest;

export type ImportedDigest =
  | { readonly isAccepted: true; readonly format: string }
  | {
      readonly isAccepted: false;
      readonly reason: 'hash_unknown' | 'hash_out_of_bounds' | 'hash_not_allowed';
      /** Undefined for an unknown digest. */
      readonly format: string | undefined;
    };

/**
 * Whether a digest of another system may be stored: of a known format, within its bounds, verified in about a second and,
 * if it is weak, of a format named in `allowed`.
 */
export function inspectDigest(digest: string, allowed: readonly string[] = []): ImportedDigest {
  for (const { format, inspect } of schemes) {
    const inspected = inspect(digest);
    if (inspected === undefined) continue;
    if (!inspected.isVerifiable || inspected.isSlow) return { isAccepted: false, reason: 'hash_out_of_bounds', format };
    if (inspected.isWeak && !allowed.includes(format)) return { isAccepted: false, reason: 'hash_not_allowed', format };
    return { isAccepted: true, format };
  }
  return { isAccepted: false, reason: 'hash_unknown', format: undefined };
}

/** A new digest of a normalised password. Blocks its thread for the whole hash: only children call it. */
export function hashPassword(password: string, pepper: Uint8Array, algorithm: HashAlgorithm = 'bcrypt'): string {
  if (algorithm === 'argon2id') return argon2idHash(password);
  if (fitsBcrypt(password)) return bcryptHash(password);
  return PREHASH_PREFIX + bcryptHash(prehash(password, pepper));
}

/**
 * Blocks its thread for the whole verification: only children call it.
 * @param importedKey the key that the digest names, if it names one
 * @throws UnknownDigestError
 */
export const verifyPassword = (
  password: string,
  digest: string,
  pepper: Uint8Array,
  importedKey?: Uint8Array,
): boolean => findScheme(digest).verify(password, digest, pepper, importedKey);

const bcryptHash = (key: string): string => hashSync(key, BCRYPT_COST);

function prehash(password: string, pepper: Uint8Array): string {
  return createHmac('sha256', pepper).update(password, 'utf8').digest('base64');
}

function withoutPrehashPrefix(digest: string): string {
  return digest.slice(PREHASH_PREFIX.length);
}

export const PASSWORD_BYTES_MAX = 1024;

// After NFKC two UTF-16 units take at least one byte, so a longer text is refused without normalising it.
const passwordUnitsMax = 2 * PASSWORD_BYTES_MAX;

/**
 * The one form in which a password is hashed and compared: NFKC, 1 to 1,024 bytes of UTF-8.
 * Lone surrogates are refused, because UTF-8 writes them all as the same character.
 * @throws UnhashablePasswordError
 */
export function normalisePassword(password: string): string {
  if (password.length > passwordUnitsMax) throw new UnhashablePasswordError('too_long');
  if (!password.isWellFormed()) throw new UnhashablePasswordError('ill_formed');
  const normal = password.normalize('NFKC');
  if (normal === '') throw new UnhashablePasswordError('empty');
  if (Buffer.byteLength(normal) > PASSWORD_BYTES_MAX) throw new UnhashablePasswordError('too_long');
  return normal;
}
