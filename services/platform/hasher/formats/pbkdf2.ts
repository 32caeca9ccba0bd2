import { pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { defineKind, hashingMs } from './define-kind.ts';

const ROUNDS_MAX = 2_000_000;
/** NIST SP 800-132 §5.2: at least. */
const ROUNDS_STRONG = 1_000;
const HASH_BYTES: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha512: 64 };

// Django: the salt is text, the key base64. PHC as passlib writes it: base64 with `.` for `+`, no padding.
const djangoForm = /^pbkdf2_(sha1|sha256|sha512)\$(\d{1,10})\$([A-Za-z0-9]{1,128})\$([A-Za-z0-9+/]{27,86}={0,2})$/;
const phcForm =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,10})\$([A-Za-z0-9+/.]{1,128})\$([A-Za-z0-9+/.]{27,86})$/;

// Werkzeug: the salt is text, the key hex.
const werkzeugForm = /^pbkdf2:(sha1|sha256|sha512):(\d{1,10})\$([!-#%-~]{1,128})\$([0-9a-f]{40,128})$/;
// ASP.NET Identity v3: base64 of 1, the pseudo-random function, rounds, the length of the salt, salt and key.
const identityForm = /^AQAAAA[A-Za-z0-9+/]{22,240}={0,2}$/;
const IDENTITY_HASHES = ['sha1', 'sha256', 'sha512'] as const;
const IDENTITY_HEAD_BYTES = 13;

type Pbkdf2 = { readonly hash: string; readonly rounds: number; readonly salt: Buffer; readonly key: Buffer };

function fromIdentity(digest: string): Pbkdf2 | undefined {
  if (!identityForm.test(digest)) return undefined;
  const bytes = Buffer.from(digest, 'base64');
  const hash = IDENTITY_HASHES[bytes.readUInt32BE(1)];
  const saltBytes = bytes.readUInt32BE(9);
  const salt = bytes.subarray(IDENTITY_HEAD_BYTES, IDENTITY_HEAD_BYTES + saltBytes);
  const key = bytes.subarray(IDENTITY_HEAD_BYTES + saltBytes);
  // ASP.NET takes 128 bits or more of each.
  if (hash === undefined || salt.length < 16 || salt.length !== saltBytes || key.length < 16) return undefined;
  return { hash, rounds: bytes.readUInt32BE(5), salt, key };
}

const fromPhc = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64');

/**
 * `pbkdf2_sha256$iterations$salt$key`, `$pbkdf2-sha256$iterations$salt$key` and `pbkdf2:sha256:iterations$salt$key`, with
 * SHA-1, SHA-256 or SHA-512, and ASP.NET Identity's version 3.
 */
export const pbkdf2 = defineKind<Pbkdf2>({
  format: 'pbkdf2',
  read: (digest) => {
    const werkzeug = werkzeugForm.exec(digest);
    if (werkzeug) {
      const [, hash = '', rounds, salt = '', key = ''] = werkzeug;
      return { hash, rounds: Number(rounds), salt: Buffer.from(salt), key: Buffer.from(key, 'hex') };
    }
    const django = djangoForm.exec(digest);
    const found = django ?? phcForm.exec(digest);
    if (!found) return fromIdentity(digest);
    const [, hash = 'sha1', rounds, salt = '', key = ''] = found;
    return {
      hash,
      rounds: Number(rounds),
      salt: django ? Buffer.from(salt, 'utf8') : fromPhc(salt),
      key: fromPhc(key),
    };
  },
  isWithinBounds: ({ rounds }) => rounds >= 1 && rounds <= ROUNDS_MAX,
  isWeak: ({ rounds }) => rounds < ROUNDS_STRONG,
  // A key longer than the hash takes the rounds again for each block.
  workMs: ({ hash, rounds, key }) =>
    hashingMs(hash as 'sha256', rounds * Math.ceil(key.length / (HASH_BYTES[hash] as number))),
  verify: (password, { hash, rounds, salt, key }) =>
    timingSafeEqual(pbkdf2Sync(password, salt, rounds, key.length, hash), key),
});
