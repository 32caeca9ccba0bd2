import { strengthOf, type VerifiedFactor, verifiedFactors } from '#services/domain/tokens/verified-factor-shapes.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import type { Assurance } from './assurance.ts';
import { factorVerified } from './factor-proof.ts';

/** What an application that embeds the product says that it verified. Throws `request_invalid` (400) for another name. */
export function verifiedElsewhere(factors: readonly VerifiedFactor[]): Assurance {
  if (!verifiedFactors.safeParse(factors).success)
    throw requestInvalid({ detail: 'verifiedFactors takes password, totp, passkey and security_key.' });
  const { amr, acr } = strengthOf(factors);
  return acr === 'aal2' ? { amr, acr, proof: factorVerified(amr) } : { amr, acr };
}
