import { UnhashablePasswordError } from './errors.ts';

export const PASSWORD_BYTES_MAX = 1024;

// After NFKC two UTF-16 units take at least one byte, so a longer text is refused without normalising it.
const passwordUnitsMax = 2 * PASSWORD_BYTES_MAX;

/**
 * The one form in which a password is hashed and compared: NFKC, 1 to 1,024 bytes of UTF-8.
 * Lone surrogates are refused, because UTF-8 writes them all as the same character.
 * @throws UnhashablePasswordError
 */
export function normalisePassword(password: string): string {
  if (password.length > passwordUnitsMax) throw new UnhashablePasswordError('too_long');
  if (!password.isWellFormed()) throw new UnhashablePasswordError('ill_formed');
  const normal = password.normalize('NFKC');
  if (normal === '') throw new UnhashablePasswordError('empty');
  if (Buffer.byteLength(normal) > PASSWORD_BYTES_MAX) throw new UnhashablePasswordError('too_long');
  return normal;
}
