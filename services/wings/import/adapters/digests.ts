import { inspectImported } from '#services/core/identity/passwords/inspect-imported.ts';
import type { LegacyUser } from './adapter.ts';

/** Digests between the notation of other systems and that of the hasher. */

/** A digest with the name of its format; what is unknown or not allowed is rejected where users are checked. */
export const withFormat = (hash: string | null): Pick<LegacyUser, 'password_hash' | 'password_format'> => ({
  password_hash: hash,
  password_format: hash === null ? null : (inspectImported(hash).format ?? 'other'),
});

/** Base64 or base64url as base64, padded. */
export const toBase64 = (text: string): string => Buffer.from(text, 'base64').toString('base64');

/** Base64 without padding, as PHC strings have it. */
const toPhcBase64 = (text: string): string => toBase64(text).replaceAll('=', '');

/** Base64 without padding and with `.` for `+`, as passlib writes PBKDF2. */
const toAdaptedBase64 = (text: string): string => toPhcBase64(text).replaceAll('+', '.');

type Pbkdf2Parts = {
  readonly hash: string;
  readonly rounds: number;
  /** Base64, as the key. */
  readonly salt: string;
  readonly key: string;
};

export const writePbkdf2 = ({ hash, rounds, salt, key }: Pbkdf2Parts): string =>
  `$pbkdf2-${hash}$${rounds}$${toAdaptedBase64(salt)}$${toAdaptedBase64(key)}`;

const PBKDF2 =
  /^\$pbkdf2-(sha1|sha256|sha512)\$(?:i=)?(\d{1,10})(?:,l=\d{1,4})?\$([\w+/.-]+={0,2})\$([\w+/.-]+={0,2})$/;

export function readPbkdf2(digest: string): Pbkdf2Parts | null {
  const found = PBKDF2.exec(digest);
  if (found === null) return null;
  const [, hash = '', rounds, salt = '', key = ''] = found;
  return {
    hash,
    rounds: Number(rounds),
    salt: toBase64(salt.replaceAll('.', '+')),
    key: toBase64(key.replaceAll('.', '+')),
  };
}

type Argon2Parts = {
  readonly variant: string;
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
  /** Base64, as the key. */
  readonly salt: string;
  readonly key: string;
};

export const writeArgon2 = ({ variant, memory, passes, lanes, salt, key }: Argon2Parts): string =>
  `$${variant}$v=19$m=${memory},t=${passes},p=${lanes}$${toPhcBase64(salt)}$${toPhcBase64(key)}`;
