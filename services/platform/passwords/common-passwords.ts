import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

const LIST = new URL('./common-passwords.txt.br', import.meta.url);
const NEWLINE = 0x0a;
const CLOSING_MARKS = /[^\p{L}\p{N}]{1,2}$/u;

/** What people write in place of letters. */
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

/** The most common passwords; loaded into memory at the first call of `has`. */
export type CommonPasswords = { has(password: string): boolean };

/**
 * The list that ships with the product (`scripts/common-passwords.mjs` makes it): 2.8 MB of memory once it is asked for.
 * Letters count in either case, digits and signs for the letters they stand for, and a mark or two at the end not at all.
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

/** The ways in which the list may hold a password. */
function spellings(text: string): string[] {
  const bare = text.replace(CLOSING_MARKS, '');
  return [...new Set([text, bare, lettersOf(text), lettersOf(bare)])];
}

/** `p@ssw0rd2024` as `password2024`: the number at the end stays one. */
function lettersOf(text: string): string {
  const number = /\d*$/.exec(text)?.[0] ?? '';
  const head = text.slice(0, text.length - number.length);
  return head.replaceAll(/[@431!0$57]/g, (sign) => STANDS_FOR[sign] ?? sign) + number;
}

/** Whether one line of sorted bytes is this text: a binary search over positions. */
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
