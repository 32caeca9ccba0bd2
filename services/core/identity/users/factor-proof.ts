const VERIFIED = Symbol('a second factor was verified');

/** A second factor that was verified just now, or that a session or another system vouches for. */
export type FactorProof = {
  readonly [VERIFIED]: true;
  /** RFC 8176 */
  readonly methods: readonly string[];
};

/**
 * Only code that verifies a factor may call this: the rule "only what verifies a factor makes the proof of one" lists it.
 * Without a proof there is no two-factor assurance, and without that no session of an account with a factor.
 */
export const factorVerified = (methods: readonly string[]): FactorProof => ({ [VERIFIED]: true, methods });
