import { hash, timingSafeEqual } from 'node:crypto';
import { toCrypt64 } from './crypt64.ts';
import { defineKind } from './define-kind.ts';

const ROUNDS = 1_000;
const form = /^(\$1\$|\$apr1\$)([^$]{0,8})\$([./0-9A-Za-z]{22})$/;
/** Bytes of the digest in the order in which they are written, three a group, highest first. */
const ORDER = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;

const md5 = (...parts: readonly Buffer[]): Buffer => hash('md5', Buffer.concat(parts), 'buffer');

/** Poul-Henning Kamp's MD5 crypt (`$1$`), and Apache's (`$apr1$`): a thousand rounds of MD5, which its author gave up. */
export const md5Crypt = defineKind<{ readonly magic: string; readonly salt: Buffer; readonly key: string }>({
  format: 'md5-crypt',
  isWeak: true,
  read: (digest) => {
    const found = form.exec(digest);
    if (!found) return undefined;
    const [, magic = '', salt = '', key = ''] = found;
    return { magic, salt: Buffer.from(salt), key };
  },
  isWithinBounds: ({ salt }) => salt.length <= 8,
  verify: (password, { magic, salt, key }) => {
    const text = Buffer.from(password, 'utf8');
    const inner = md5(text, salt, text);
    const bits: Buffer[] = [];
    for (let left = text.length; left > 0; left >>= 1)
      bits.push((left & 1) === 1 ? Buffer.alloc(1) : text.subarray(0, 1));
    const repeated = Buffer.alloc(text.length, inner);
    let state = md5(text, Buffer.from(magic), salt, repeated, ...bits);
    for (let round = 0; round < ROUNDS; round += 1)
      state = md5(
        ...((round & 1) === 1 ? [text] : [state]),
        ...(round % 3 === 0 ? [] : [salt]),
        ...(round % 7 === 0 ? [] : [text]),
        ...((round & 1) === 1 ? [state] : [text]),
      );
    const at = (place: number): number => state[place] as number;
    const written = ORDER.map(([high, middle, low]) => toCrypt64(at(high), at(middle), at(low), 4)).join('');
    return timingSafeEqual(Buffer.from(written + toCrypt64(0, 0, at(11), 2)), Buffer.from(key));
  },
});
