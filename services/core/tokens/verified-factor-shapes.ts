import { z } from 'zod';
import { requestInvalid } from '#services/platform/errors.ts';

/**
 * What a service that authenticated a user itself may say that it verified, and the methods that tokens then name (RFC 8176).
 * Each but the password is a second factor.
 */
const METHODS = { password: ['pwd'], totp: ['otp'], passkey: ['swk', 'user'], security_key: ['hwk', 'user'] } as const;

export type VerifiedFactor = keyof typeof METHODS;
const VERIFIED_FACTORS = Object.keys(METHODS) as [VerifiedFactor, ...VerifiedFactor[]];

export const verifiedFactors = z.array(z.enum(VERIFIED_FACTORS)).max(VERIFIED_FACTORS.length);

/** The methods and the level of these factors. Throws `request_invalid` (400) for another name. */
export function strengthOf(factors: readonly VerifiedFactor[]): {
  readonly amr: readonly string[];
  readonly acr: 'aal1' | 'aal2';
} {
  // TypeScript in the same process may pass what no schema of a request has seen.
  if (!verifiedFactors.safeParse(factors).success)
    throw requestInvalid({ detail: `verifiedFactors takes ${VERIFIED_FACTORS.join(', ')}.` });
  const amr = [...new Set(factors.flatMap((factor) => METHODS[factor]))];
  return factors.some((factor) => factor !== 'password') ? { amr: [...amr, 'mfa'], acr: 'aal2' } : { amr, acr: 'aal1' };
}
