import { defineSettings } from '../define/setting.ts';
import { oneOf, optionalFlag, optionalText, optionalUrl, wholeNumber } from './shapes.ts';

export const identitySettings = defineSettings({
  authSecret: {
    env: 'BETTER_AUTH_SECRET',
    schema: optionalText(512),
    use: 'Signs session cookies, 32 characters or more; development generates one.',
    secret: true,
    example: '',
  },
  sessionSeconds: {
    env: 'SESSION_EXPIRY',
    schema: wholeNumber(2_592_000, 60, 31_536_000),
    use: 'Lifetime of a browser session from the last sign-in, seconds; its token families end with it.',
  },
  twoFactorSessionSeconds: {
    env: 'SESSION_EXPIRY_TWO_FACTORS',
    schema: wholeNumber(86_400, 60, 31_536_000),
    use: 'Lifetime of a session opened with two factors, seconds. The shorter of this and SESSION_EXPIRY applies.',
  },
  twoFactorIdleSeconds: {
    env: 'SESSION_IDLE_TWO_FACTORS',
    schema: wholeNumber(3_600, 0, 86_400),
    use: 'Idle limit of sessions opened with two factors, seconds. The session expires when its cookie is not used for this long, and each of its token families when it is not refreshed for this long. 0: no idle limit.',
  },
  sessionsPerAccount: {
    env: 'SESSIONS_PER_ACCOUNT',
    schema: wholeNumber(100, 0, 10_000),
    use: 'Concurrent sessions per account; a further sign-in ends the least recently used one. 0: unlimited.',
  },
  secondFactorRoles: {
    env: 'MFA_REQUIRED_ROLES',
    schema: optionalText(1_024),
    use: 'Roles that have an effect only after a sign-in with two factors, comma separated, or `none`. Unset: admin in production, none elsewhere.',
  },
  stepUpSeconds: {
    env: 'STEP_UP_SECONDS',
    schema: wholeNumber(600, 60, 86_400),
    use: 'Maximum age of a sign-in for sensitive operations, seconds. After that the user must authenticate again (step-up).',
  },
  requireEmailVerification: {
    env: 'REQUIRE_EMAIL_VERIFICATION',
    schema: optionalFlag(),
    use: 'Require a verified e-mail address before an account gets a session. Unset: true in production, false elsewhere.',
  },
  invitationSeconds: {
    env: 'INVITATION_SECONDS',
    schema: wholeNumber(259_200, 600, 2_592_000),
    use: 'Lifetime of an invitation, whose code sets the password of a new account, seconds.',
  },
  passwordProfile: {
    env: 'PASSWORD_PROFILE',
    schema: oneOf(['default', 'nist'], 'default'),
    use: 'Minimum length of new passwords. default: 12 characters. nist (SP 800-63B-4): 15, or 12 for accounts that cannot sign in without a second factor. Administrative roles always need 15.',
  },
  ipCountryFile: {
    env: 'IP_COUNTRY_FILE',
    schema: optionalText(1_024),
    use: 'Table of the countries of IP addresses in the MaxMind DB format, for the detection of impossible travel; `none`: no countries. Unset: the one that ships (DB-IP Lite).',
  },
  breachRangeUrl: {
    env: 'BREACH_RANGE_URL',
    schema: optionalUrl(),
    use: 'Service that checks whether new passwords are in known breaches. It receives only the first five hex digits of their SHA-1 hash. Unset: no check.',
    example: 'https://api.pwnedpasswords.com/range',
  },
  passwordHash: {
    env: 'PASSWORD_HASH',
    schema: oneOf(['bcrypt', 'argon2id'], 'bcrypt'),
    use: 'Algorithm of new password hashes. Hashes of other algorithms are still accepted and are replaced at the next sign-in.',
  },
  hasherChildren: {
    env: 'HASHER_CHILDREN',
    schema: wholeNumber(0, 0, 64),
    use: 'Largest number of password-hashing processes; 0: one per core. They start with the passwords that need them; staging and production keep one from the start.',
  },
  hashQueue: {
    env: 'HASH_QUEUE',
    schema: wholeNumber(0, 0, 10_000),
    use: 'Sign-ins that may wait for a hash; 0: eight per hashing process.',
  },
});

/** Whether an address must be verified before its account gets a session. */
export const isVerificationRequired = (config: {
  readonly identity: { readonly requireEmailVerification: boolean | undefined };
  readonly server: { readonly profile: string };
}): boolean => config.identity.requireEmailVerification ?? config.server.profile === 'production';

/** Session lifetimes, seconds. */
export const sessionLifeOf = ({
  identity: { sessionSeconds, twoFactorSessionSeconds, twoFactorIdleSeconds },
}: {
  readonly identity: {
    readonly sessionSeconds: number;
    readonly twoFactorSessionSeconds: number;
    readonly twoFactorIdleSeconds: number;
  };
}): { readonly sessionSeconds: number; readonly twoFactorSeconds: number; readonly twoFactorIdleSeconds: number } => ({
  sessionSeconds,
  twoFactorSeconds: twoFactorSessionSeconds,
  twoFactorIdleSeconds,
});

/** Roles that have no effect after a sign-in with one factor. */
export function secondFactorRolesOf(config: {
  readonly identity: { readonly secondFactorRoles: string | undefined };
  readonly server: { readonly profile: string };
}): readonly string[] {
  const given = config.identity.secondFactorRoles;
  if (given === undefined) return config.server.profile === 'production' ? ['admin'] : [];
  const names = given.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '' && name !== 'none');
}
