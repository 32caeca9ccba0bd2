import { passwordIllFormed, passwordTooLong, passwordTooShort } from './errors.ts';

const CHARACTERS_MIN = 12;
const CHARACTERS_MAX = 256;
const BYTES_MAX = 1_024;

/**
 * The rules of a new password, each with a code of its own; on the form that is hashed (NFKC), and characters are
 * code points. A password is never trimmed or cut.
 * @throws passwordIllFormed, passwordTooShort, passwordTooLong (400)
 */
export function assertPasswordAllowed(password: string): void {
  // UTF-8 writes every lone surrogate as the same character: two such passwords would be one.
  if (!password.isWellFormed()) throw passwordIllFormed();
  const normal = password.normalize('NFKC');
  const characters = [...normal].length;
  if (characters < CHARACTERS_MIN) throw passwordTooShort();
  if (characters > CHARACTERS_MAX || Buffer.byteLength(normal) > BYTES_MAX) throw passwordTooLong();
}

/** True when a password could be one at all: what cannot be hashed can be nobody's. */
export function isHashable(password: string): boolean {
  return password !== '' && password.isWellFormed() && Buffer.byteLength(password.normalize('NFKC')) <= BYTES_MAX;
}
