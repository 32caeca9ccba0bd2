import type { SignInCause } from '../contracts/admin-contract.ts';
import type { SignInFactsRow } from '../users/users.store.ts';

/** What decides whether an account can sign in. Times are RFC 3339. */
export type SignInFacts = SignInFactsRow & {
  readonly disabledAt: string | null;
  readonly isVerified: boolean;
  readonly passkeys: number;
  readonly hasTotp: boolean;
  readonly codesLeft: number;
  /** Whether the user enrols a second factor before the first session. */
  readonly owesFactor: boolean;
  /** Consecutive wrong passwords from unknown devices. */
  readonly failedLogins: number;
  readonly lockedUntil: string | null;
  /** Whether the password is refused from unknown devices until the account is unlocked. */
  readonly isClosed: boolean;
  /** Whether an incident did that; then a sign-in with another provider is refused too. */
  readonly isSteppedUp: boolean;
  readonly roles: readonly string[];
  readonly sessions: number;
  readonly lastLoginAt: string | null;
};

/** The settings of the installation that decide it too. */
export type SignInPolicy = {
  readonly verificationRequired: boolean;
  /** Roles that have no effect after a sign-in with one factor. */
  readonly secondFactorRoles: readonly string[];
  /** 0: unlimited. */
  readonly sessionsPerAccount: number;
};

type Cause = Omit<SignInCause, 'cause'>;
type Rule = (facts: SignInFacts, policy: SignInPolicy) => Cause | null;

const refusal = (act: SignInCause['act'], values: object = {}): Cause => ({ refuses: true, act, ...values });
const remark = (act: SignInCause['act'], values: object = {}): Cause => ({ refuses: false, act, ...values });

const hasSecondFactor = ({ hasTotp, passkeys }: SignInFacts): boolean => hasTotp || passkeys > 0;
/** The rule `invited` names these; nothing else about the account helps before. */
const isWaiting = (row: SignInFacts): boolean => row.is_invited && !row.has_password;

const RULES: readonly (readonly [SignInCause['cause'], Rule])[] = [
  ['disabled', ({ disabledAt: since }) => (since === null ? null : refusal('enable', { since }))],
  [
    'invited',
    (facts) =>
      isWaiting(facts)
        ? refusal('invite', { until: facts.invited_until, is_expired: facts.is_invitation_expired })
        : null,
  ],
  [
    'email_unverified',
    (facts, { verificationRequired }) =>
      facts.isVerified || !verificationRequired || isWaiting(facts) ? null : refusal('invite'),
  ],
  [
    'password_closed',
    ({ isClosed, failedLogins: failures, isSteppedUp }) =>
      isClosed ? refusal('unlock', { failures, by_incident: isSteppedUp }) : null,
  ],
  [
    'password_locked',
    ({ lockedUntil: until, isClosed, failedLogins: failures }) =>
      until === null || isClosed ? null : refusal('unlock', { until, failures }),
  ],
  [
    'no_sign_in_method',
    (facts) =>
      facts.has_password || facts.passkeys > 0 || facts.providers.length > 0 || isWaiting(facts)
        ? null
        : refusal(facts.isVerified ? 'password-mail' : 'invite'),
  ],
  ['second_factor_spent', (facts) => (facts.hasTotp && facts.is_totp_spent ? refusal('factors/reset') : null)],
  [
    'second_factor_locked',
    ({ hasTotp, totp_locked_until: until, is_totp_spent: isSpent, codesLeft }) =>
      hasTotp && until !== null && !isSpent ? refusal('factors/reset', { until, codes_left: codesLeft }) : null,
  ],
  [
    'no_password',
    (facts) => {
      const methods = [...facts.providers, ...(facts.passkeys > 0 ? ['passkey'] : [])];
      return facts.has_password || methods.length === 0 ? null : remark('password-mail', { methods });
    },
  ],
  [
    'second_factor_missing',
    (facts, { secondFactorRoles }) => {
      const roles = facts.roles.filter((role) => secondFactorRoles.includes(role));
      return roles.length === 0 || hasSecondFactor(facts) ? null : remark(null, { roles });
    },
  ],
  ['second_factor_owed', (facts) => (facts.owesFactor && !hasSecondFactor(facts) ? remark(null) : null)],
  [
    'session_limit',
    ({ sessions }, { sessionsPerAccount }) =>
      sessionsPerAccount === 0 || sessions < sessionsPerAccount ? null : remark(null, { sessions }),
  ],
];

const nothing = (facts: SignInFacts): SignInCause => ({
  cause: 'nothing',
  ...remark(null, { since: facts.lastLoginAt, ...(hasSecondFactor(facts) ? { codes_left: facts.codesLeft } : {}) }),
});

/** Every cause that applies, by weight: those that refuse a sign-in come first. `nothing` if none refuses one. */
export function signInCauses(facts: SignInFacts, policy: SignInPolicy): [SignInCause, ...SignInCause[]] {
  const causes = RULES.flatMap(([cause, rule]) => {
    const found = rule(facts, policy);
    return found === null ? [] : [{ cause, ...found }];
  });
  const [first, ...others] = causes;
  return first?.refuses === true ? [first, ...others] : [nothing(facts), ...causes];
}
