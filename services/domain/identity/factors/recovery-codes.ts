import type { Random } from '../../ports.ts';

const RECOVERY_CODES = 10;
const CHARACTERS = 'abcdefghijkmnpqrstuvwxyz23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const LENGTH = 10;
/** The largest multiple of the alphabet in a byte: what is above it would make some characters likelier. */
const FAIR_BELOW = 256 - (256 % CHARACTERS.length);

/** Ten codes of 57 bits each; none of their characters looks like another. */
export function newRecoveryCodes(random: Pick<Random, 'bytes'>): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    let code = '';
    while (code.length < LENGTH)
      for (const byte of random.bytes(LENGTH))
        if (byte < FAIR_BELOW && code.length < LENGTH) code += CHARACTERS[byte % CHARACTERS.length];
    return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
  });
}
