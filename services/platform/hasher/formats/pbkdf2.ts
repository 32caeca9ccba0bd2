import { pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { defineKind } from './define-kind.ts';

const ROUNDS_MAX = 2_000_000;

// Django: the salt is text, the key base64. PHC as passlib writes it: base64 with `.` for `+`, no padding.
const djangoForm = /^pbkdf2_(sha1|sha256|sha512)\$(\d{1,10})\$([A-Za-z0-9]{1,128})\$([A-Za-z0-9+/]{27,86}={0,2})$/;
const phcForm =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,10})\$([A-Za-z0-9+/.]{1,128})\$([A-Za-z0-9+/.]{27,86})$/;

type Pbkdf2 = { readonly hash: string; readonly rounds: number; readonly salt: Buffer; readonly key: Buffer };

const fromPhc = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64');

/** `pbkdf2_sha256$iterations$salt$key` and `$pbkdf2-sha256$iterations$salt$key`, with SHA-1, SHA-256 or SHA-512. */
export const pbkdf2 = defineKind<Pbkdf2>({
  format: 'pbkdf2',
  read: (digest) => {
    const django = djangoForm.exec(digest);
    const found = django ?? phcForm.exec(digest);
    if (!found) return undefined;
    const [, hash = 'sha1', rounds, salt = '', key = ''] = found;
    return {
      hash,
      rounds: Number(rounds),
      salt: django ? Buffer.from(salt, 'utf8') : fromPhc(salt),
      key: fromPhc(key),
    };
  },
  isWithinBounds: ({ rounds }) => rounds >= 1 && rounds <= ROUNDS_MAX,
  verify: (password, { hash, rounds, salt, key }) =>
    timingSafeEqual(pbkdf2Sync(password, salt, rounds, key.length, hash), key),
});
