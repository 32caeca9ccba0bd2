import { createHmac } from 'node:crypto';

/** RFC 5321 §4.5.3.1 leaves 254 characters for an address, and 64 for what is before the @. Visible ASCII alone. */
const ADDRESS = /^(?=.{1,254}$)[\x21-\x3f\x41-\x7e]{1,64}@[\x21-\x3f\x41-\x7e]+$/;

/** Whether an account may have this address. What is not ASCII may look like, or fold into, another user's address. */
export const isAddress = (email: string): boolean => ADDRESS.test(email);

/**
 * The one form in which an address is stored, compared and hashed. Only A to Z change: Unicode has other letters whose
 * lower case is ASCII, such as the KELVIN SIGN, and they are no spelling of the same address.
 */
export const normaliseEmail = (email: string): string =>
  email.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Keyed hash of a login name, whether or not an account has it: `<key version>.<128 bits in base64url>`. */
export function identifierHash(secret: { readonly version: number; readonly key: Buffer }, email: string): string {
  const hash = createHmac('sha256', secret.key).update(`email\0${email}`).digest('base64url').slice(0, 22);
  return `${secret.version}.${hash}`;
}
