import type { Caller, Ports } from '#services/core/ports.ts';
import {
  passwordBreached,
  passwordCommon,
  passwordIllFormed,
  passwordTooLong,
  passwordTooShort,
} from '../contracts/password-errors.ts';
import { type BreachRanges, isBreached } from './breach-lookup.ts';
import { BYTES_MAX } from './hash-password.ts';
import { contextRuleOf, type PasswordOwner } from './password-context.ts';

type PasswordProfile = 'default' | 'nist';

const CHARACTERS_MAX = 256;

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

type LengthContext = {
  readonly roles?: readonly string[] | undefined;
  /** Whether the account cannot sign in without a second factor. */
  readonly hasSecondFactor?: boolean | undefined;
};

export type PasswordPolicy = {
  readonly profile: PasswordProfile;
  /** Passwords that attackers try first; in memory. */
  readonly common: { has(password: string): boolean };
  /** Lookup of breached passwords by a hash prefix; null: disabled. */
  readonly breachRanges: BreachRanges | null;
};

export type HasPasswordPolicy = { readonly passwordPolicy: PasswordPolicy };

export type PasswordContext = PasswordOwner & LengthContext & { readonly caller: Caller };

/** Minimum number of characters (code points after NFKC). */
export function charactersMin(
  profile: PasswordProfile,
  { roles = [], hasSecondFactor = false }: LengthContext,
): number {
  const ofProfile = hasSecondFactor ? CHARACTERS_MIN_SECOND_FACTOR : CHARACTERS_MIN[profile];
  return Math.max(ofProfile, ...roles.map((role) => ROLE_CHARACTERS_MIN.get(role) ?? 0));
}

/**
 * Checks a new password; each rule has its own error code. The rules apply to the hashed form (NFKC) and count code
 * points; they require no character classes, and nothing is trimmed or truncated. Call it before hashing and outside of
 * transactions: it may use the network, and an unreachable breach list does not block the user.
 * @throws the `passwordErrors` (400)
 */
export async function assertPasswordAllowed(
  ports: HasPasswordPolicy & Pick<Ports, 'sql' | 'log'>,
  password: string,
  { caller, ...owner }: PasswordContext,
): Promise<void> {
  const { profile, common, breachRanges } = ports.passwordPolicy;
  assertPasswordForm(password, charactersMin(profile, owner));
  const broken = contextRuleOf(password, owner);
  if (broken) throw broken();
  if (common.has(password)) throw passwordCommon();
  if (breachRanges && (await isBreached({ ...ports, breachRanges }, password, caller))) throw passwordBreached();
}

/**
 * Checks length and format only, in memory.
 * @throws passwordIllFormed, passwordTooShort, passwordTooLong (400)
 */
export function assertPasswordForm(password: string, least: number): void {
  // UTF-8 encodes every lone surrogate as the same character, so two different passwords would be equal.
  if (!password.isWellFormed()) throw passwordIllFormed();
  const normal = password.normalize('NFKC');
  const characters = [...normal].length;
  if (characters < least) throw passwordTooShort({ detail: `At least ${least} characters.` });
  if (characters > CHARACTERS_MAX || Buffer.byteLength(normal) > BYTES_MAX) throw passwordTooLong();
}
