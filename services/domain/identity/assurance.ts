/** How a login was proved: methods of RFC 8176, and how much that is worth (NIST SP 800-63B). */
export type Assurance = { readonly amr: readonly string[]; readonly acr: 'aal1' | 'aal2' };

export const PASSWORD_ALONE: Assurance = { amr: ['pwd'], acr: 'aal1' };

/** A login whose way in proved nothing that RFC 8176 has a name for. */
export const UNNAMED: Assurance = { amr: [], acr: 'aal1' };

const TWO_FACTORS = 'aal2';

/** The methods of both, each once; two factors from now on. */
export const withSecondFactor = (before: readonly string[], methods: readonly string[]): Assurance => ({
  amr: [...new Set([...before.filter((method) => method !== 'mfa'), ...methods, 'mfa'])],
  acr: TWO_FACTORS,
});

export const isTwoFactors = (acr: string | null | undefined): boolean => acr === TWO_FACTORS;
