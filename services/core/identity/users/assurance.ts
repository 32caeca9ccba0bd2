import type { FactorProof } from './factor-proof.ts';

/** How the user authenticated: methods of RFC 8176 and the assurance level (NIST SP 800-63B). */
type OneFactor = { readonly amr: readonly string[]; readonly acr: 'aal1' };
/** Made of the proof of a second factor. */
export type TwoFactors = { readonly amr: readonly string[]; readonly acr: 'aal2'; readonly proof: FactorProof };
export type Assurance = OneFactor | TwoFactors;

export const PASSWORD_ALONE: OneFactor = { amr: ['pwd'], acr: 'aal1' };

/** A sign-in by a method that RFC 8176 does not name. */
export const UNNAMED: OneFactor = { amr: [], acr: 'aal1' };

const TWO_FACTORS = 'aal2';

/** Returns the methods of both factors without duplicates, at the two-factor level. */
export const withSecondFactor = (before: readonly string[], proof: FactorProof): TwoFactors => ({
  amr: [...new Set([...before.filter((method) => method !== 'mfa'), ...proof.methods, 'mfa'])],
  acr: TWO_FACTORS,
  proof,
});

/** The same level, with a method that was verified besides. */
export const withMethod = <A extends Assurance>(assurance: A, method: string): A => ({
  ...assurance,
  amr: [...new Set([...assurance.amr, method])],
});

export const isTwoFactors = (acr: string | null | undefined): boolean => acr === TWO_FACTORS;
