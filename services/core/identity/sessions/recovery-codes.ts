import type { Random } from '#services/core/ports.ts';

/** The name that authenticator apps show. */
export const ISSUER = 'Sallyport';
const RECOVERY_CODES = 10;
const CHARACTERS = 'abcdefghijkmnpqrstuvwxyz23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
/** Twelve characters have 69 bits; with 64 bits or more, attempts need no limit (NIST SP 800-63B-4 §3.1.2.2). */
const LENGTH = 12;
/** The largest multiple of the alphabet size in a byte: larger values would make some characters more likely. */
const FAIR_BELOW = 256 - (256 % CHARACTERS.length);

/** Generates ten codes of 69 bits each, without characters that look alike. */
export const newRecoveryCodes = (random: Pick<Random, 'bytes'>): string[] =>
  Array.from({ length: RECOVERY_CODES }, () => {
    let code = '';
    while (code.length < LENGTH)
      for (const byte of random.bytes(LENGTH))
        if (byte < FAIR_BELOW && code.length < LENGTH) code += CHARACTERS[byte % CHARACTERS.length];
    return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
  });
