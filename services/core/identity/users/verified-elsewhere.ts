import { strengthOf, type VerifiedFactor } from '#services/core/tokens/verified-factor-shapes.ts';
import type { Assurance } from './assurance.ts';
import { factorVerified } from './factor-proof.ts';

/** What an application that embeds the product says that it verified. Throws `request_invalid` (400) for another name. */
export function verifiedElsewhere(factors: readonly VerifiedFactor[]): Assurance {
  const { amr, acr } = strengthOf(factors);
  return acr === 'aal2' ? { amr, acr, proof: factorVerified(amr) } : { amr, acr };
}
