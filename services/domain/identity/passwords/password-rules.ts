/** Minimum lengths of passwords, by profile, role and second factor. */

export type PasswordProfile = 'default' | 'nist';

export const CHARACTERS_MAX = 256;
export const BYTES_MAX = 1_024;

/** Single-factor lengths; `nist` is SP 800-63B-4 §3.1.1.2. */
const CHARACTERS_MIN: Readonly<Record<PasswordProfile, number>> = { default: 12, nist: 15 };
/** With a mandatory second factor; SP 800-63B-4 would allow 8. */
const CHARACTERS_MIN_SECOND_FACTOR = 12;

/** Roles that can harm other users. A role that is not listed requires nothing more. */
export const ROLE_CHARACTERS_MIN: ReadonlyMap<string, number> = new Map([
  ['admin', 15],
  ['operator', 15],
  ['compliance', 15],
]);

export type LengthContext = {
  readonly roles?: readonly string[] | undefined;
  /** Whether the account cannot sign in without a second factor. */
  readonly hasSecondFactor?: boolean | undefined;
};

/** Minimum number of characters (code points after NFKC). */
export function charactersMin(
  profile: PasswordProfile,
  { roles = [], hasSecondFactor = false }: LengthContext,
): number {
  const ofProfile = hasSecondFactor ? CHARACTERS_MIN_SECOND_FACTOR : CHARACTERS_MIN[profile];
  return Math.max(ofProfile, ...roles.map((role) => ROLE_CHARACTERS_MIN.get(role) ?? 0));
}
