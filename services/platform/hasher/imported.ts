import { pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto';
import { hashSync as argon2HashSync, verifySync as argon2VerifySync } from '@node-rs/argon2';

/** A kind of digest: its form, its permitted cost, and its verification. */
export type DigestKind = {
  /** False for another kind, a malformed digest, and parameters that would block a child for seconds or exhaust its memory. */
  isWellFormed(digest: string): boolean;
  /** Verifies a password; blocks its thread. Takes well-formed digests only. */
  verify(password: string, digest: string): boolean;
};

const KIBIBYTES_MAX = 262_144;
// Memory × passes in KiB is the cost of a computation; one GiB takes about a second.
const ARGON2_WORK_MAX = 1_048_576;
const SCRYPT_WORK_MAX = 1_048_576;
const PBKDF2_ROUNDS_MAX = 2_000_000;

/** RFC 9106 §4, the memory-constrained choice with parallelism 1: 64 MiB, three passes. */
const ARGON2ID_CURRENT = { memoryCost: 65_536, timeCost: 3, parallelism: 1 } as const;
const ARGON2ID_PREFIX = '$argon2id$v=19$';
export const argon2idCurrentPrefix = `${ARGON2ID_PREFIX}m=65536,t=3,p=1$`;

// The number of digits is bounded, so that no parameter exceeds a safe integer.
const argon2idForm =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,86}$/;

/** A new Argon2id digest in the PHC form. */
export const argon2idHash = (password: string): string => argon2HashSync(password, { ...ARGON2ID_CURRENT });

export const argon2id: DigestKind = {
  isWellFormed: (digest) => {
    const found = argon2idForm.exec(digest);
    if (!found) return false;
    const [memory, passes, lanes] = [Number(found[1]), Number(found[2]), Number(found[3])];
    const isMemorySane = memory >= 8 * lanes && memory <= KIBIBYTES_MAX;
    return passes >= 1 && lanes >= 1 && isMemorySane && memory * passes <= ARGON2_WORK_MAX;
  },
  verify: (password, digest) => argon2VerifySync(digest, password),
};

type ScryptWork = { readonly n: number; readonly r: number; readonly p: number };

/** 128·N·r bytes of memory; work grows with N·r·p. */
const isSaneScrypt = ({ n, r, p }: ScryptWork): boolean =>
  n >= 2 && r >= 1 && p >= 1 && (128 * n * r) / 1_024 <= KIBIBYTES_MAX && n * r * p <= SCRYPT_WORK_MAX;

const scryptKey = (password: string, salt: string | Buffer, length: number, { n, r, p }: ScryptWork): Buffer =>
  scryptSync(password, salt, length, { N: n, r, p, maxmem: 128 * n * r + 128 * r * p + 1_048_576 });

const BASE64 = '[A-Za-z0-9+/]';
const scryptForm = new RegExp(
  `^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,2}),p=(\\d{1,2})\\$(${BASE64}{8,86})\\$(${BASE64}{22,86})$`,
);

const scryptWork = (found: RegExpExecArray): ScryptWork => ({
  n: 2 ** Number(found[1]),
  r: Number(found[2]),
  p: Number(found[3]),
});

/** The PHC form: `$scrypt$ln=15,r=8,p=1$salt$key`. */
export const scrypt: DigestKind = {
  isWellFormed: (digest) => {
    const found = scryptForm.exec(digest);
    return found !== null && isSaneScrypt(scryptWork(found));
  },
  verify: (password, digest) => {
    const found = required(scryptForm.exec(digest));
    const key = Buffer.from(found[5] ?? '', 'base64');
    return timingSafeEqual(
      scryptKey(password, Buffer.from(found[4] ?? '', 'base64'), key.length, scryptWork(found)),
      key,
    );
  },
};

/** Better Auth's own digests: `salt:key` in hex, with the hex text itself as the salt; N 16,384, r 16, p 1. */
const BETTER_AUTH: ScryptWork = { n: 16_384, r: 16, p: 1 };
const betterAuthForm = /^([0-9a-f]{32}):([0-9a-f]{128})$/;

export const betterAuthScrypt: DigestKind = {
  isWellFormed: (digest) => betterAuthForm.test(digest),
  verify: (password, digest) => {
    const [, salt = '', key = ''] = required(betterAuthForm.exec(digest));
    return timingSafeEqual(scryptKey(password, salt, key.length / 2, BETTER_AUTH), Buffer.from(key, 'hex'));
  },
};

const HASHES = { sha1: 'sha1', sha256: 'sha256', sha512: 'sha512' } as const;
type HashName = keyof typeof HASHES;

// Django: the salt is text, the key base64. PHC as passlib writes it: base64 with `.` for `+`, no padding.
const djangoForm = /^pbkdf2_(sha1|sha256)\$(\d{1,8})\$([A-Za-z0-9]{1,128})\$([A-Za-z0-9+/]{27,86}={0,2})$/;
const phcForm =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,8})\$([A-Za-z0-9+/.]{1,128})\$([A-Za-z0-9+/.]{27,86})$/;

type Pbkdf2 = { readonly hash: HashName; readonly rounds: number; readonly salt: Buffer; readonly key: Buffer };

function readPbkdf2(digest: string): Pbkdf2 | null {
  const django = djangoForm.exec(digest);
  const found = django ?? phcForm.exec(digest);
  if (!found) return null;
  const [, hash = 'sha1', rounds, salt = '', key = ''] = found;
  const fromPhc = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64');
  return {
    hash: hash as HashName,
    rounds: Number(rounds),
    salt: django ? Buffer.from(salt, 'utf8') : fromPhc(salt),
    key: fromPhc(key),
  };
}

/** `pbkdf2_sha256$iterations$salt$key` and `$pbkdf2-sha256$iterations$salt$key`, with SHA-1, SHA-256 or SHA-512. */
export const pbkdf2: DigestKind = {
  isWellFormed: (digest) => {
    const read = readPbkdf2(digest);
    return read !== null && read.rounds >= 1 && read.rounds <= PBKDF2_ROUNDS_MAX;
  },
  verify: (password, digest) => {
    const { hash, rounds, salt, key } = required(readPbkdf2(digest));
    return timingSafeEqual(pbkdf2Sync(password, salt, rounds, key.length, HASHES[hash]), key);
  },
};

function required<T>(value: T | null): T {
  if (value === null) throw new Error('the digest is of another kind');
  return value;
}
