/** Memory that one verification may use. */
export const KIBIBYTES_MAX = 262_144;

/**
 * Processor time of hashing, milliseconds for a million units, of one core of 2026: blocks of PBKDF2, rounds of SHA crypt
 * and phpass, N·r·p of scrypt, KiB·passes of Argon2, 2^cost of bcrypt. Nothing is timed, so that a busy machine refuses no
 * hash that another one takes.
 */
const MS_PER_MILLION = {
  sha1: 200,
  sha256: 200,
  sha512: 470,
  crypt: 1_800,
  phpass: 1_450,
  scrypt: 360,
  argon2: 950,
  bcrypt: 60_000,
} as const;

export const hashingMs = (unit: keyof typeof MS_PER_MILLION, count: number): number =>
  (count / 1_000_000) * MS_PER_MILLION[unit];
