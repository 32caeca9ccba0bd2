import type { ErrorFactory } from '#services/platform/define/error.ts';
import { passwordHasEmail, passwordHasName, passwordHasProduct } from './password-errors.ts';

/** What is known of whose password it will be. */
export type PasswordOwner = {
  readonly email: string;
  readonly name?: string | undefined;
};

const PRODUCT = 'sallyport';
/** Shorter words are found in anything. */
const WORD_MIN = 4;
/** From here on the part before the @ is in no password by chance. */
const LOCAL_PART_MIN = 5;
/** What is left without a word must still be worth guessing. */
const REST_MIN = 8;

/** Letters and digits alone, in lower case: `Ada.Lovelace-7` is `adalovelace7`. */
const folded = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '');

const restOf = (password: string, word: string): number => [...password.replaceAll(word, '')].length;

/**
 * The rule by which a password says too much of its owner or of this service, or null (ASVS 6.2.11). The part before
 * the @ may not be in it; other words may, where eight more characters stand beside them.
 */
export function contextRuleOf(password: string, { email, name = '' }: PasswordOwner): ErrorFactory | null {
  const given = folded(password);
  const at = email.lastIndexOf('@');
  const local = email.slice(0, at);
  const isMadeOf = (word: string): boolean =>
    word.length >= WORD_MIN && given.includes(word) && restOf(given, word) < REST_MIN;

  for (const word of [folded(local), folded(local.replace(/\+.*/s, ''))])
    if ((word.length >= LOCAL_PART_MIN && given.includes(word)) || isMadeOf(word)) return passwordHasEmail;
  // Not the last label: `com` is nobody's name.
  for (const label of email
    .slice(at + 1)
    .split('.')
    .slice(0, -1))
    if (isMadeOf(folded(label))) return passwordHasEmail;
  for (const word of [name, ...name.split(/\s+/)]) if (isMadeOf(folded(word))) return passwordHasName;
  return isMadeOf(PRODUCT) ? passwordHasProduct : null;
}
