/** What a password must be at least, as data: the profile first, then what roles ask beyond it. */

export type PasswordProfile = 'default' | 'nist';

export const CHARACTERS_MAX = 256;
export const BYTES_MAX = 1_024;

/** Single-factor lengths; `nist` is SP 800-63B-4 §3.1.1.2. */
const CHARACTERS_MIN: Readonly<Record<PasswordProfile, number>> = { default: 12, nist: 15 };
/** With a second factor that is always asked for; SP 800-63B-4 would take 8. */
const CHARACTERS_MIN_SECOND_FACTOR = 12;

/** Roles whose holders can hurt others. A role that is not here asks for nothing more. */
export const ROLE_CHARACTERS_MIN: ReadonlyMap<string, number> = new Map([
  ['admin', 15],
  ['operator', 15],
  ['compliance', 15],
]);

export type LengthContext = {
  readonly roles?: readonly string[] | undefined;
  /** True where this account cannot sign in without a second factor. */
  readonly hasSecondFactor?: boolean | undefined;
};

/** Least number of characters (code points after NFKC). */
export function charactersMin(
  profile: PasswordProfile,
  { roles = [], hasSecondFactor = false }: LengthContext,
): number {
  const ofProfile = hasSecondFactor ? CHARACTERS_MIN_SECOND_FACTOR : CHARACTERS_MIN[profile];
  return Math.max(ofProfile, ...roles.map((role) => ROLE_CHARACTERS_MIN.get(role) ?? 0));
}
