import { scryptSync, timingSafeEqual } from 'node:crypto';
import { defineKind, hashingMs, KIBIBYTES_MAX } from './define-kind.ts';

const WORK_MAX = 1_048_576;
/** N 1,024 with r 8: a MiB. */
const WORK_STRONG = 8_192;

export type ScryptWork = { readonly n: number; readonly r: number; readonly p: number };

/** 128·N·r bytes of memory; work grows with N·r·p. N is a power of two (RFC 7914 §2). */
const isSaneScrypt = ({ n, r, p }: ScryptWork): boolean =>
  n >= 2 &&
  Number.isInteger(Math.log2(n)) &&
  r >= 1 &&
  p >= 1 &&
  (128 * n * r) / 1_024 <= KIBIBYTES_MAX &&
  n * r * p <= WORK_MAX;

export const scryptBounds = {
  isWithinBounds: isSaneScrypt,
  isWeak: ({ n, r, p }: ScryptWork): boolean => n * r * p < WORK_STRONG,
  workMs: ({ n, r, p }: ScryptWork): number => hashingMs('scrypt', n * r * p),
} as const;

export const scryptKey = (password: string, salt: string | Buffer, length: number, { n, r, p }: ScryptWork): Buffer =>
  scryptSync(password, salt, length, { N: n, r, p, maxmem: 128 * n * r + 128 * r * p + 1_048_576 });

type Scrypt = ScryptWork & { readonly salt: string | Buffer; readonly key: Buffer };

const verifyScrypt = (password: string, { salt, key, ...work }: Scrypt): boolean =>
  timingSafeEqual(scryptKey(password, salt, key.length, work), key);

const BASE64 = '[A-Za-z0-9+/]';
const phcForm = new RegExp(
  `^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,2}),p=(\\d{1,2})\\$(${BASE64}{8,86})\\$(${BASE64}{22,86})$`,
);

/** The PHC form: `$scrypt$ln=15,r=8,p=1$salt$key`. */
export const scrypt = defineKind<Scrypt>({
  format: 'scrypt',
  read: (digest) => {
    const found = phcForm.exec(digest);
    if (!found) return undefined;
    const [, ln, r, p, salt = '', key = ''] = found;
    const work = { n: 2 ** Number(ln), r: Number(r), p: Number(p) };
    return { ...work, salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
  },
  ...scryptBounds,
  verify: verifyScrypt,
});

/** Better Auth's own digests: `salt:key` in hex, with the hex text itself as the salt; N 16,384, r 16, p 1. */
const BETTER_AUTH: ScryptWork = { n: 16_384, r: 16, p: 1 };
const betterAuthForm = /^([0-9a-f]{32}):([0-9a-f]{128})$/;

export const betterAuthScrypt = defineKind<Scrypt>({
  format: 'better-auth-scrypt',
  read: (digest) => {
    const found = betterAuthForm.exec(digest);
    if (!found) return undefined;
    const [, salt = '', key = ''] = found;
    return { ...BETTER_AUTH, salt, key: Buffer.from(key, 'hex') };
  },
  verify: verifyScrypt,
});

const djangoForm = /^scrypt\$(\d{1,8})\$([A-Za-z0-9]{1,128})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/]{86}==)$/;

/** Django's `scrypt$N$salt$r$p$key`; the salt is text, the key has 64 bytes. */
export const djangoScrypt = defineKind<Scrypt>({
  format: 'django-scrypt',
  read: (digest) => {
    const found = djangoForm.exec(digest);
    if (!found) return undefined;
    const [, n, salt = '', r, p, key = ''] = found;
    return { n: Number(n), r: Number(r), p: Number(p), salt, key: Buffer.from(key, 'base64') };
  },
  ...scryptBounds,
  verify: verifyScrypt,
});

const werkzeugForm = /^scrypt:(\d{1,8}):(\d{1,2}):(\d{1,2})\$([!-#%-~]{1,128})\$([0-9a-f]{128})$/;

/** Werkzeug's `scrypt:N:r:p$salt$key`, as Clerk's hasher `scrypt_werkzeug` has it; the salt is text, the key hex. */
export const werkzeugScrypt = defineKind<Scrypt>({
  format: 'werkzeug-scrypt',
  read: (digest) => {
    const found = werkzeugForm.exec(digest);
    if (!found) return undefined;
    const [, n, r, p, salt = '', key = ''] = found;
    return { n: Number(n), r: Number(r), p: Number(p), salt, key: Buffer.from(key, 'hex') };
  },
  ...scryptBounds,
  verify: verifyScrypt,
});
