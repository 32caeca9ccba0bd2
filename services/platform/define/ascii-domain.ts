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
