import { createHmac } from 'node:crypto';

/** The one form in which an address is stored, compared and hashed. */
export const normaliseEmail = (email: string): string => email.toLowerCase();

/** Keyed hash of a login name, whether or not an account has it: `<key version>.<128 bits in base64url>`. */
export function identifierHash(secret: { readonly version: number; readonly key: Buffer }, email: string): string {
  const hash = createHmac('sha256', secret.key).update(`email\0${email}`).digest('base64url').slice(0, 22);
  return `${secret.version}.${hash}`;
}
