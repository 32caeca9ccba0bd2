import { randomBytes } from 'node:crypto';
import { ARGON2ID_CURRENT_PREFIX } from './formats/argon2.ts';
import { currentBcryptPrefix, type HashAlgorithm } from './schemes.ts';

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BCRYPT_BASE64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

const random = (bytes: number): string => randomBytes(bytes).toString('base64').replaceAll('=', '');
const randomOfBcrypt = (bytes: number): string =>
  random(bytes).replaceAll(/./g, (digit) => BCRYPT_BASE64[BASE64.indexOf(digit)] as string);

/**
 * A digest of the form and cost of new ones, of random bytes in place of salt and hash. Verifying a password against it
 * computes the same as against any other; that one matches is as likely as guessing the 184 bits of a bcrypt hash.
 */
export const dummyDigestOf = (algorithm: HashAlgorithm = 'bcrypt'): string =>
  algorithm === 'argon2id'
    ? `${ARGON2ID_CURRENT_PREFIX}${random(16)}$${random(32)}`
    : `${currentBcryptPrefix}${randomOfBcrypt(16)}${randomOfBcrypt(23)}`;
