import { defineSettings } from '../define/setting.ts';
import { oneOf, optionalFlag, optionalText, optionalUrl, wholeNumber } from './shapes.ts';

export const identitySettings = defineSettings({
  authSecret: {
    env: 'BETTER_AUTH_SECRET',
    schema: optionalText(512),
    use: 'Signs session cookies, 32 characters or more; development makes its own.',
    secret: true,
    example: '',
  },
  sessionSeconds: {
    env: 'SESSION_EXPIRY',
    schema: wholeNumber(2_592_000, 60, 31_536_000),
    use: 'Life of a browser session, seconds; no login of it lives longer.',
  },
  twoFactorSessionSeconds: {
    env: 'SESSION_EXPIRY_TWO_FACTORS',
    schema: wholeNumber(86_400, 60, 31_536_000),
    use: 'The same of a session that two factors opened, seconds, where that is shorter.',
  },
  twoFactorIdleSeconds: {
    env: 'SESSION_IDLE_TWO_FACTORS',
    schema: wholeNumber(3_600, 0, 86_400),
    use: 'Such a session is over when its cookie was not used for so long, and a login of it when it was not refreshed, seconds; 0: never.',
  },
  sessionsPerAccount: {
    env: 'SESSIONS_PER_ACCOUNT',
    schema: wholeNumber(100, 0, 10_000),
    use: 'Sessions an account may have at once; a sign-in beyond ends the one not used for longest. 0: any number.',
  },
  secondFactorRoles: {
    env: 'MFA_REQUIRED_ROLES',
    schema: optionalText(1_024),
    use: 'Roles that count only after a login of two factors, comma separated, or none; unset: admin under production.',
  },
  stepUpSeconds: {
    env: 'STEP_UP_SECONDS',
    schema: wholeNumber(600, 60, 86_400),
    use: 'Oldest login that may do dangerous things without proving itself again, seconds.',
  },
  requireEmailVerification: {
    env: 'REQUIRE_EMAIL_VERIFICATION',
    schema: optionalFlag(),
    use: 'An account begins when its address is proved, and no session before; unset: true under production alone.',
  },
  invitationSeconds: {
    env: 'INVITATION_SECONDS',
    schema: wholeNumber(259_200, 600, 2_592_000),
    use: 'Life of an invitation, by whose code the password of a new account is chosen, seconds.',
  },
  passwordProfile: {
    env: 'PASSWORD_PROFILE',
    schema: oneOf(['default', 'nist'], 'default'),
    use: 'Least length of new passwords: 12 characters, or 15 without a second factor (nist: SP 800-63B-4).',
  },
  breachRangeUrl: {
    env: 'BREACH_RANGE_URL',
    schema: optionalUrl(),
    use: 'Where new passwords are looked up among stolen ones, by five digits of their SHA-1; unset: nowhere.',
    example: 'https://api.pwnedpasswords.com/range',
  },
  passwordHash: {
    env: 'PASSWORD_HASH',
    schema: oneOf(['bcrypt', 'argon2id'], 'bcrypt'),
    use: 'What new password digests are made with; others verify, and are replaced at the next sign-in.',
  },
  hasherChildren: {
    env: 'HASHER_CHILDREN',
    schema: wholeNumber(0, 0, 64),
    use: 'Password-hashing processes; 0: one per core.',
  },
  hashQueue: {
    env: 'HASH_QUEUE',
    schema: wholeNumber(0, 0, 10_000),
    use: 'Logins that may wait for a hash; 0: eight per hashing process.',
  },
});

/** Whether an address must be proved before it gets a session. */
export const isVerificationRequired = (config: {
  readonly identity: { readonly requireEmailVerification: boolean | undefined };
  readonly server: { readonly profile: string };
}): boolean => config.identity.requireEmailVerification ?? config.server.profile === 'production';

/** How long sessions live, seconds. */
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

/** Roles that give nothing to a login of one factor. */
export function secondFactorRolesOf(config: {
  readonly identity: { readonly secondFactorRoles: string | undefined };
  readonly server: { readonly profile: string };
}): readonly string[] {
  const given = config.identity.secondFactorRoles;
  if (given === undefined) return config.server.profile === 'production' ? ['admin'] : [];
  const names = given.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '' && name !== 'none');
}
