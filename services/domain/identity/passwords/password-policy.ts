import type { Caller, Ports } from '#services/domain/ports.ts';
import { type BreachRanges, isBreached } from './breach-lookup.ts';
import { contextRuleOf, type PasswordOwner } from './password-context.ts';
import {
  passwordBreached,
  passwordCommon,
  passwordIllFormed,
  passwordTooLong,
  passwordTooShort,
} from './password-errors.ts';
import {
  BYTES_MAX,
  CHARACTERS_MAX,
  charactersMin,
  type LengthContext,
  type PasswordProfile,
} from './password-rules.ts';

/** What the process decides of passwords. */
export type PasswordPolicy = {
  readonly profile: PasswordProfile;
  /** Whether everybody tries this one first; in memory. */
  readonly common: { has(password: string): boolean };
  /** Where stolen passwords are looked up by a prefix of their hash; null: nowhere. */
  readonly breachRanges: BreachRanges | null;
};

export type HasPasswordPolicy = { readonly passwordPolicy: PasswordPolicy };

/** Whose password it will be, and who asks. */
export type PasswordContext = PasswordOwner & LengthContext & { readonly caller: Caller };

/**
 * The rules of a new password, each with a code of its own; on the form that is hashed (NFKC), and characters are code
 * points. Nothing is said about which characters, and nothing is trimmed or cut. Call it before hashing, outside of
 * transactions: it may ask the network, and a list that does not answer stops nobody.
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
 * Length and form alone, in memory.
 * @throws passwordIllFormed, passwordTooShort, passwordTooLong (400)
 */
export function assertPasswordForm(password: string, least: number): void {
  // UTF-8 writes every lone surrogate as the same character: two such passwords would be one.
  if (!password.isWellFormed()) throw passwordIllFormed();
  const normal = password.normalize('NFKC');
  const characters = [...normal].length;
  if (characters < least) throw passwordTooShort({ detail: `At least ${least} characters.` });
  if (characters > CHARACTERS_MAX || Buffer.byteLength(normal) > BYTES_MAX) throw passwordTooLong();
}

/** True when a password could be one at all: what cannot be hashed can be nobody's. */
export function isHashable(password: string): boolean {
  return password !== '' && password.isWellFormed() && Buffer.byteLength(password.normalize('NFKC')) <= BYTES_MAX;
}
