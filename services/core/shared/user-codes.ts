import type { Random } from '#services/core/ports.ts';

/** Only consonants, so that codes form no words and have no characters that look alike (RFC 8628 §6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 8;

/**
 * A code that a person types. 20^8 codes, about 2^34: a code that lives for minutes under the rate limits, or allows a few
 * attempts, cannot be guessed.
 */
export function newUserCode(random: Pick<Random, 'bytes'>): string {
  let code = '';
  while (code.length < LENGTH)
    // 240 is the largest multiple of twenty that fits in a byte, so all letters are equally likely.
    for (const byte of random.bytes(LENGTH))
      if (byte < 240 && code.length < LENGTH) code += LETTERS[byte % LETTERS.length];
  return code;
}

/** Returns a typed code as it is stored, in upper case without dashes and spaces; null if it cannot be a code. */
export function normaliseUserCode(typed: string): string | null {
  if (typed.length > 32) return null;
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '');
  return code.length === LENGTH && [...code].every((letter) => LETTERS.includes(letter)) ? code : null;
}

/** @example shownUserCode('BCDFGHJK') // 'BCDF-GHJK' */
export const shownUserCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;
