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
export function wrapKind(
  format: string,
  inner: DigestKind,
  unwrap: (digest: string) => string | undefined,
  prepare: (password: string) => string = (password) => password,
): DigestKind {
  return {
    format,
    inspect: (digest) => {
      const wrapped = unwrap(digest);
      return wrapped === undefined ? undefined : inner.inspect(wrapped);
    },
    keyIdOf: () => undefined,
    verify: (password, digest, key) => inner.verify(prepare(password), unwrap(digest) ?? '', key),
  };
}
