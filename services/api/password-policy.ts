import type { PasswordPolicy } from '../domain/identity/passwords/password-policy.ts';
import type { Config } from '../platform/config/load.ts';
import { createBreachRanges } from '../platform/passwords/breach-ranges.ts';
import { createCommonPasswords } from '../platform/passwords/common-passwords.ts';

/** The password policy from the settings; nothing is loaded before the first new password. */
export function passwordPolicyOf({ identity }: Pick<Config, 'identity'>): PasswordPolicy {
  const { passwordProfile, breachRangeUrl } = identity;
  return {
    profile: passwordProfile,
    common: createCommonPasswords(),
    breachRanges: breachRangeUrl === undefined ? null : createBreachRanges(breachRangeUrl),
  };
}
