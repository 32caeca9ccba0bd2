/** What a digest says about itself before anything is computed. */
type Inspection = 'verifiable' | 'out_of_bounds';

/** A kind of digest: its form, its permitted cost, and its verification. */
export type DigestKind = {
  /** Its name in reports and in `--allow-hash`. */
  readonly format: string;
  /** A hash so fast that a stolen table gives the passwords away; imported only if the operator names it. */
  readonly isWeak: boolean;
  /**
   * Undefined for another kind or a malformed digest; `out_of_bounds` for parameters that would block a child for
   * seconds, exhaust its memory, or protect nothing.
   */
  inspect(digest: string): Inspection | undefined;
  /** The key without which this digest cannot be verified. */
  keyIdOf(digest: string): string | undefined;
  /** Verifies a password; blocks its thread. False for a digest that `inspect` does not call verifiable. */
  verify(password: string, digest: string, key: Uint8Array | undefined): boolean;
};

type KindParts<T> = {
  readonly format: string;
  readonly isWeak?: boolean;
  /** The parts of a well-formed digest. */
  read(digest: string): T | undefined;
  isWithinBounds?(parts: T): boolean;
  keyIdOf?(parts: T): string;
  verify(password: string, parts: T, key: Uint8Array): boolean;
};

const NO_KEY = new Uint8Array();

export function defineKind<T>(kind: KindParts<T>): DigestKind {
  const { format, isWeak = false, read, isWithinBounds = () => true } = kind;
  const keyIdOf = (parts: T): string | undefined => kind.keyIdOf?.(parts);
  return {
    format,
    isWeak,
    inspect: (digest) => {
      const parts = read(digest);
      if (parts === undefined) return undefined;
      return isWithinBounds(parts) ? 'verifiable' : 'out_of_bounds';
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
    isWeak: inner.isWeak,
    inspect: (digest) => {
      const wrapped = unwrap(digest);
      return wrapped === undefined ? undefined : inner.inspect(wrapped);
    },
    keyIdOf: () => undefined,
    verify: (password, digest, key) => inner.verify(prepare(password), unwrap(digest) ?? '', key),
  };
}
