import { createOTP } from '@better-auth/utils/otp';

/** RFC 6238 §5.2; authenticator apps use it by default. */
const STEP_SECONDS = 30;
const CODE = /^\d{6}$/;

/**
 * Returns the newest of the steps −1, 0 and +1 around now that has this code and is later than the last used step; null
 * for any other code. Always computes all three codes.
 */
export async function matchingStep(
  secret: string,
  code: string,
  { nowMs, lastUsedStep }: { readonly nowMs: number; readonly lastUsedStep: number },
): Promise<number | null> {
  if (!CODE.test(code)) return null;
  const now = Math.floor(nowMs / 1_000 / STEP_SECONDS);
  const otp = createOTP(secret, { period: STEP_SECONDS, digits: 6 });
  let matched: number | null = null;
  for (const step of [now - 1, now, now + 1]) {
    if (isSame(await otp.hotp(step), code) && step > lastUsedStep) matched = step;
  }
  return matched;
}

/** Compares two six-digit codes in constant time. */
function isSame(expected: string, given: string): boolean {
  let difference = 0;
  for (let index = 0; index < expected.length; index++)
    difference |= expected.charCodeAt(index) ^ given.charCodeAt(index);
  return difference === 0;
}
