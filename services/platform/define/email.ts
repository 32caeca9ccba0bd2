import { createHmac } from 'node:crypto';
import { domainToASCII, domainToUnicode } from 'node:url';

const lowerCase = (letter: string): string => {
  const lower = letter.toLowerCase();
  return /\p{ASCII}/u.test(lower) ? letter : lower;
};

/**
 * An address whose internationalised domain is in its ASCII form (`münchen.example` is `xn--mnchen-3ya.example`, RFC 5890),
 * by which mail servers know it. Only a domain that the ASCII form gives back is converted: what IDNA folds into other
 * letters, such as a full-width letter or the KELVIN SIGN, stays and is refused.
 */
export function asciiDomain(email: string): string {
  const at = email.lastIndexOf('@') + 1;
  const domain = email.slice(at).replaceAll(/\P{ASCII}/gu, lowerCase);
  if (!/\P{ASCII}/u.test(domain)) return email;
  const lower = domain.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
  const ascii = domainToASCII(lower);
  return domainToUnicode(ascii) === lower ? `${email.slice(0, at)}${ascii}` : email;
}

/**
 * RFC 5321 §4.5.3.1 allows 254 characters for an address and 64 before the @. Before it an atom with dots (RFC 5322
 * §3.2.3), after it the name of a host, which does not end in a number: programs that send mail read quotes, brackets,
 * commas, comments and numbers in different ways, and the mail of such an address may go to another.
 */
const ADDRESS = /^(?=.{1,254}$)[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]+\.)*[a-z][\w-]*$/i;

/**
 * Whether an account may use this address. Non-ASCII characters may look like, or fold into, another user's address.
 */
export const isAddress = (email: string): boolean => ADDRESS.test(email);

/**
 * Returns the form in which an address is stored, compared and hashed. Only A to Z are lowercased: the lower case of
 * some non-ASCII letters, such as the KELVIN SIGN, is ASCII, and an address with such a letter is another address.
 */
export const normaliseEmail = (email: string): string =>
  asciiDomain(email).replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Keyed hash of an e-mail address, whether or not an account has it: `<key version>.<128 bits in base64url>`. */
export function identifierHash(secret: { readonly version: number; readonly key: Buffer }, email: string): string {
  const hash = createHmac('sha256', secret.key).update(`email\0${email}`).digest('base64url').slice(0, 22);
  return `${secret.version}.${hash}`;
}
