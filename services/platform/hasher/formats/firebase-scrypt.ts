import { createCipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { defineKind } from './define-kind.ts';
import { type ScryptWork, scryptBounds, scryptKey } from './scrypt.ts';

/**
 * Firebase's modified scrypt. The stored value is the project's signer key, encrypted by AES-256-CTR under the scrypt key
 * of the password. The digest names the signer key by its id and never contains it.
 */
type FirebaseDigest = {
  readonly keyId: string;
  /** Base64, as the salt and the hash. */
  readonly saltSeparator: string;
  readonly rounds: number;
  /** Binary logarithm of scrypt's N. */
  readonly memoryCost: number;
  readonly salt: string;
  readonly hash: string;
};

const B64 = '[A-Za-z0-9+/]';
const form = new RegExp(
  `^\\$fbscrypt\\$k=([A-Za-z0-9_-]{22}),m=(\\d{1,2}),r=(\\d{1,3}),ss=(${B64}{0,86}={0,2})` +
    `\\$(${B64}{1,86}={0,2})\\$(${B64}{42,128}={0,2})$`,
);

const SCRYPT_BYTES = 64;
const AES_BYTES = 32;
const ZERO_IV = Buffer.alloc(16);

export const readFirebaseDigest = (digest: string): FirebaseDigest | undefined => {
  const found = form.exec(digest);
  if (!found) return undefined;
  const [, keyId = '', memoryCost, rounds, saltSeparator = '', salt = '', hash = ''] = found;
  return { keyId, saltSeparator, rounds: Number(rounds), memoryCost: Number(memoryCost), salt, hash };
};

export const writeFirebaseDigest = ({ keyId, memoryCost, rounds, saltSeparator, salt, hash }: FirebaseDigest): string =>
  `$fbscrypt$k=${keyId},m=${memoryCost},r=${rounds},ss=${saltSeparator}$${salt}$${hash}`;

/** The id of a signer key: 128 bits of its SHA-256, so that the same key has the same id in every import. */
export const signerKeyId = (key: Uint8Array): string =>
  createHash('sha256').update('firebase signer key\0').update(key).digest().subarray(0, 16).toString('base64url');

const workOf = ({ memoryCost, rounds }: Pick<FirebaseDigest, 'memoryCost' | 'rounds'>): ScryptWork => ({
  n: 2 ** memoryCost,
  r: rounds,
  p: 1,
});

export const firebaseScrypt = defineKind<FirebaseDigest>({
  format: 'firebase-scrypt',
  read: readFirebaseDigest,
  isWithinBounds: (parts) => scryptBounds.isWithinBounds(workOf(parts)),
  isWeak: (parts) => scryptBounds.isWeak(workOf(parts)),
  workMs: (parts) => scryptBounds.workMs(workOf(parts)),
  keyIdOf: ({ keyId }) => keyId,
  verify: (password, { memoryCost, rounds, saltSeparator, salt, hash }, signerKey) => {
    const wholeSalt = Buffer.concat([Buffer.from(salt, 'base64'), Buffer.from(saltSeparator, 'base64')]);
    const derived = scryptKey(password, wholeSalt, SCRYPT_BYTES, workOf({ memoryCost, rounds }));
    const cipher = createCipheriv('aes-256-ctr', derived.subarray(0, AES_BYTES), ZERO_IV);
    const computed = Buffer.concat([cipher.update(signerKey), cipher.final()]);
    const stored = Buffer.from(hash, 'base64');
    return computed.length === stored.length && timingSafeEqual(computed, stored);
  },
});
