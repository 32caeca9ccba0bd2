import { base32 } from '@better-auth/utils/base32';
import { createOTP } from '@better-auth/utils/otp';
import { ISSUER } from '../sessions/recovery-codes.ts';

/** RFC 6238 §5.2; authenticator apps use it by default. */
const STEP_SECONDS = 30;
const CODE = /^\d{6}$/;
/** Before a secret of another system, in base32: its bytes need be no text. A secret of Better Auth has no colon. */
const IMPORTED = 'base32:';

export const importedSecret = (text: string): string => `${IMPORTED}${text}`;

/** Bytes of a new secret; RFC 4226 §4 recommends 160 bits. */
export const SECRET_BYTES = 20;

/** A secret of these bytes, as it is kept. */
export const newSecret = (bytes: Uint8Array): string => importedSecret(base32.encode(bytes, { padding: false }));

/** The `otpauth:` URI that authenticator apps scan. */
export const totpUriOf = (secret: string, account: string): string =>
  `otpauth://totp/${encodeURIComponent(`${ISSUER}:${account}`)}?${new URLSearchParams({ secret: shownSecret(secret), issuer: ISSUER, digits: '6', period: String(STEP_SECONDS) })}`;

/** The secret as authenticator apps show it (RFC 4648 §6), without padding. */
export const shownSecret = (secret: string): string =>
  secret.startsWith(IMPORTED) ? secret.slice(IMPORTED.length) : base32.encode(secret, { padding: false });

/** The key of the codes: text is used as its UTF-8 bytes. */
const keyOf = (secret: string): string | Uint8Array =>
  secret.startsWith(IMPORTED) ? base32.decode(secret.slice(IMPORTED.length)) : secret;

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
  const otp = createOTP(keyOf(secret), { period: STEP_SECONDS, digits: 6 });
  let matched: number | null = null;
  for (const step of [now - 1, now, now + 1])
    if (isSame(await otp.hotp(step), code) && step > lastUsedStep) matched = step;
  return matched;
}

/** Compares two six-digit codes in constant time. */
function isSame(expected: string, given: string): boolean {
  let difference = 0;
  for (let index = 0; index < expected.length; index++)
    difference |= expected.charCodeAt(index) ^ given.charCodeAt(index);
  return difference === 0;
}
