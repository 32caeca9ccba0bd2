import { hash, timingSafeEqual } from 'node:crypto';
import { CRYPT_ALPHABET, toCrypt64 } from './crypt64.ts';
import { defineKind, hashingMs } from './define-kind.ts';

const LOG_ROUNDS_MIN = 7;
const LOG_ROUNDS_MAX = 18;
/** WordPress has 2^13, phpBB 2^11. */
const LOG_ROUNDS_STRONG = 11;
const form = /^\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})$/;

/** The portable hashes of phpass, as WordPress (`$P$`) and phpBB (`$H$`) have them: 2^n rounds of MD5. */
export const phpass = defineKind<{ readonly logRounds: number; readonly salt: string; readonly key: string }>({
  format: 'phpass',
  read: (digest) => {
    const found = form.exec(digest);
    if (!found) return undefined;
    const [, rounds = '', salt = '', key = ''] = found;
    return { logRounds: CRYPT_ALPHABET.indexOf(rounds), salt, key };
  },
  isWithinBounds: ({ logRounds }) => logRounds >= LOG_ROUNDS_MIN && logRounds <= LOG_ROUNDS_MAX,
  isWeak: ({ logRounds }) => logRounds < LOG_ROUNDS_STRONG,
  workMs: ({ logRounds }) => hashingMs('phpass', 2 ** logRounds),
  verify: (password, { logRounds, salt, key }) => {
    const text = Buffer.from(password, 'utf8');
    let state: Buffer = hash('md5', Buffer.concat([Buffer.from(salt), text]), 'buffer');
    for (let left = 2 ** logRounds; left > 0; left -= 1) state = hash('md5', Buffer.concat([state, text]), 'buffer');
    return timingSafeEqual(Buffer.from(littleEndian64(state)), Buffer.from(key));
  },
});

/** Three bytes, the first lowest, are four characters; the sixteenth byte is two. */
function littleEndian64(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3)
    text += toCrypt64(bytes[at + 2] ?? 0, bytes[at + 1] ?? 0, bytes[at] as number, at + 3 <= bytes.length ? 4 : 2);
  return text;
}
