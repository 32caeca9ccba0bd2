/** What a digest says about itself before anything is computed. */
type Inspection = {
  /** False for parameters that would block a child for seconds, exhaust its memory, or protect nothing. */
  readonly isVerifiable: boolean;
  /** Whether a stolen table gives the passwords away, because the hash is so fast; imported only if the operator names it. */
  readonly isWeak: boolean;
  /** Whether one verification takes longer than an import may bring. A digest that is here already is verified. */
  readonly isSlow: boolean;
};

/** A kind of digest: its form, its permitted cost, and its verification. */
export type DigestKind = {
  /** Its name in reports and in `--allow-hash`. */
  readonly format: string;
  /** Undefined for another kind or a malformed digest. */
  inspect(digest: string): Inspection | undefined;
  /** The key without which this digest cannot be verified. */
  keyIdOf(digest: string): string | undefined;
  /** Verifies a password; blocks its thread. False for a digest that is not verifiable. */
  verify(password: string, digest: string, key: Uint8Array | undefined): boolean;
};

type KindParts<T> = {
  readonly format: string;
  readonly isWeak?: boolean | ((parts: T) => boolean);
  /** Processor time of one verification, milliseconds, by its parameters alone (`hashingMs`). */
  workMs?(parts: T): number;
  /** The parts of a well-formed digest. */
  read(digest: string): T | undefined;
  isWithinBounds?(parts: T): boolean;
  keyIdOf?(parts: T): string;
  verify(password: string, parts: T, key: Uint8Array): boolean;
};

/** Memory that one verification may use. */
export const KIBIBYTES_MAX = 262_144;

/**
 * Processor time of hashing, milliseconds for a million units, of one core of 2026: blocks of PBKDF2, rounds of SHA crypt
 * and phpass, N·r·p of scrypt, KiB·passes of Argon2, 2^cost of bcrypt. Nothing is timed, so that a busy machine refuses no
 * hash that another one takes.
 */
const MS_PER_MILLION = {
  sha1: 200,
  sha256: 200,
  sha512: 470,
  crypt: 1_800,
  phpass: 1_450,
  scrypt: 360,
  argon2: 950,
  bcrypt: 60_000,
} as const;

export const hashingMs = (unit: keyof typeof MS_PER_MILLION, count: number): number =>
  (count / 1_000_000) * MS_PER_MILLION[unit];

/** About a second: a wrong password for such an account must not block a child much longer than for any other. */
const WORK_MS_MAX = 1_200;

const NO_KEY = new Uint8Array();

export function defineKind<T>(kind: KindParts<T>): DigestKind {
  const { format, read, isWithinBounds = () => true, isWeak = false } = kind;
  const keyIdOf = (parts: T): string | undefined => kind.keyIdOf?.(parts);
  return {
    format,
    inspect: (digest) => {
      const parts = read(digest);
      if (parts === undefined) return undefined;
      return {
        isVerifiable: isWithinBounds(parts),
        isWeak: typeof isWeak === 'boolean' ? isWeak : isWeak(parts),
        isSlow: (kind.workMs?.(parts) ?? 0) > WORK_MS_MAX,
      };
    },
    keyIdOf: (digest) => {
      const parts = read(digest);
      return parts === undefined ? undefined : keyIdOf(parts);
    },
    verify: (password, digest, key) => {
      const parts = read(digest);
      if (parts === undefined || !isWithinBounds(parts)) return false;
      if (key === undefined && keyIdOf(parts) !== undefined) return false;
      return kind.verify(password, parts, key ?? NO_KEY);
    },
  };
}

/** A kind that wraps another: `unwrap` finds the inner digest, `prepare` what the inner kind hashes. */
export const wrapKind = (
  format: string,
  inner: DigestKind,
  unwrap: (digest: string) => string | undefined,
  prepare: (password: string) => string = (password) => password,
): DigestKind => ({
  format,
  inspect: (digest) => {
    const wrapped = unwrap(digest);
    return wrapped === undefined ? undefined : inner.inspect(wrapped);
  },
  keyIdOf: () => undefined,
  verify: (password, digest, key) => inner.verify(prepare(password), unwrap(digest) ?? '', key),
});
