import type { Random } from '#services/domain/ports.ts';

/** Only consonants: no words, and no characters that look alike (RFC 8628 §6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 8;

/** Eight of twenty letters, 2^34: easy to type, and not guessable within ten minutes under the rate limits. */
export function newUserCode(random: Pick<Random, 'bytes'>): string {
  let code = '';
  while (code.length < LENGTH)
    // 240 is the last multiple of twenty in a byte: every letter is as likely.
    for (const byte of random.bytes(LENGTH))
      if (byte < 240 && code.length < LENGTH) code += LETTERS[byte % LETTERS.length];
  return code;
}

/** As it is stored: without dash, space and case, which people add; null for what cannot be one. */
export function normaliseUserCode(typed: string): string | null {
  if (typed.length > 32) return null;
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '');
  return code.length === LENGTH && [...code].every((letter) => LETTERS.includes(letter)) ? code : null;
}

/** As it is shown. */
export const shownUserCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;
