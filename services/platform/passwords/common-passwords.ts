import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

const LIST = new URL('./common-passwords.txt.br', import.meta.url);
const NEWLINE = 0x0a;
const CLOSING_MARKS = /[^\p{L}\p{N}]{1,2}$/u;

/** Digits and signs that users write instead of letters. */
const STANDS_FOR: Readonly<Record<string, string>> = {
  '@': 'a',
  '4': 'a',
  '3': 'e',
  '1': 'i',
  '!': 'i',
  '0': 'o',
  $: 's',
  '5': 's',
  '7': 't',
};

/** The most common passwords, loaded at the first call of `has`. */
type CommonPasswords = { has(password: string): boolean };

/**
 * The shipped list (made by `tools/common-passwords.mjs`); it takes 2.8 MB of memory once it is used.
 * Case is ignored, digits and signs count as the letters they replace, and up to two punctuation marks at the end are ignored.
 */
export function createCommonPasswords(): CommonPasswords {
  let sorted: Buffer | undefined;
  return {
    has(password) {
      sorted ??= brotliDecompressSync(readFileSync(LIST));
      const list = sorted;
      return spellings(password.normalize('NFKC').toLowerCase()).some((text) => holdsLine(list, text));
    },
  };
}

/** The forms of a password that are looked up in the list. */
function spellings(text: string): string[] {
  const bare = text.replace(CLOSING_MARKS, '');
  return [...new Set([text, bare, lettersOf(text), lettersOf(bare)])];
}

/** `p@ssw0rd2024` becomes `password2024`: the number at the end is kept. */
function lettersOf(text: string): string {
  const number = /\d*$/.exec(text)?.[0] ?? '';
  const head = text.slice(0, text.length - number.length);
  return head.replaceAll(/[@431!0$57]/g, (sign) => STANDS_FOR[sign] ?? sign) + number;
}

/** Whether sorted bytes contain this text as a line, by binary search over positions. */
export function holdsLine(sorted: Buffer, text: string): boolean {
  const wanted = Buffer.from(text, 'utf8');
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = middle === 0 ? 0 : sorted.lastIndexOf(NEWLINE, middle - 1) + 1;
    const end = sorted.indexOf(NEWLINE, start);
    const order = sorted.compare(wanted, 0, wanted.length, start, end);
    if (order === 0) return true;
    if (order < 0) low = end + 1;
    else high = start;
  }
  return false;
}
