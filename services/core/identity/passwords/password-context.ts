import type { ErrorFactory } from '#services/platform/define/error.ts';
import { passwordHasEmail, passwordHasName, passwordHasProduct } from '../contracts/password-errors.ts';

export type PasswordOwner = { readonly email: string; readonly name?: string | undefined };

const PRODUCT = 'sallyport';
/** Shorter words occur in passwords by chance. */
const WORD_MIN = 4;
/** With this length or more, the part before the @ does not occur in a password by chance. */
const LOCAL_PART_MIN = 5;
/** The rest of the password without the word must still be hard to guess. */
const REST_MIN = 8;

/** Only letters and digits, in lower case: `Ada.Lovelace-7` becomes `adalovelace7`. */
const folded = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '');

const restOf = (password: string, word: string): number => [...password.replaceAll(word, '')].length;

/**
 * Returns the error for a password derived from its owner or this service, or null (ASVS 6.2.11). The password must not
 * contain the part before the @; it may contain other words if it has eight more characters.
 */
export function contextRuleOf(password: string, { email, name = '' }: PasswordOwner): ErrorFactory | null {
  const given = folded(password);
  const at = email.lastIndexOf('@');
  const local = email.slice(0, at);
  const isMadeOf = (word: string): boolean =>
    word.length >= WORD_MIN && given.includes(word) && restOf(given, word) < REST_MIN;

  for (const word of [folded(local), folded(local.replace(/\+.*/s, ''))])
    if ((word.length >= LOCAL_PART_MIN && given.includes(word)) || isMadeOf(word)) return passwordHasEmail;
  // Skip the last label: `com` identifies no user.
  for (const label of email
    .slice(at + 1)
    .split('.')
    .slice(0, -1))
    if (isMadeOf(folded(label))) return passwordHasEmail;
  for (const word of [name, ...name.split(/\s+/)]) if (isMadeOf(folded(word))) return passwordHasName;
  return isMadeOf(PRODUCT) ? passwordHasProduct : null;
}
