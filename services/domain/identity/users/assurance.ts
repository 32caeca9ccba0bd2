/** How the user authenticated: methods of RFC 8176 and the assurance level (NIST SP 800-63B). */
export type Assurance = { readonly amr: readonly string[]; readonly acr: 'aal1' | 'aal2' };

export const PASSWORD_ALONE: Assurance = { amr: ['pwd'], acr: 'aal1' };

/** A sign-in by a method that RFC 8176 does not name. */
export const UNNAMED: Assurance = { amr: [], acr: 'aal1' };

const TWO_FACTORS = 'aal2';

/** Returns the methods of both factors without duplicates, at the two-factor level. */
export const withSecondFactor = (before: readonly string[], methods: readonly string[]): Assurance => ({
  amr: [...new Set([...before.filter((method) => method !== 'mfa'), ...methods, 'mfa'])],
  acr: TWO_FACTORS,
});

export const isTwoFactors = (acr: string | null | undefined): boolean => acr === TWO_FACTORS;
