import type { Assurance } from '../users/assurance.ts';
import { isTwoFactors } from '../users/assurance.ts';
import { factorVerified } from '../users/factor-proof.ts';

/** The assurance that a session has: it began with these factors. The row was read by its id and its user. */
export const assuranceOfSession = ({
  amr,
  acr,
}: {
  readonly amr: readonly string[];
  readonly acr: string;
}): Assurance => (isTwoFactors(acr) ? { amr, acr: 'aal2', proof: factorVerified(amr) } : { amr, acr: 'aal1' });
