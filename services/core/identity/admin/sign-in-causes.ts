import type { SignInCause } from '../contracts/admin-contract.ts';
import type { SignInFactsRow } from '../users/users.store.ts';

/** What decides whether an account can sign in. Times are RFC 3339. */
export type SignInFacts = SignInFactsRow & {
  readonly id: string;
  readonly email: string;
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

const refusal = (sentence: string, fix: string): Cause => ({ refuses: true, sentence, fix });
const remark = (sentence: string, fix: string): Cause => ({ refuses: false, sentence, fix });

const command = (verb: string, { id }: SignInFacts): string => `npx sallyport users ${verb} ${id} --reason <why>`;
const wordsOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
const RESET = 'The user chooses "Forgot password?" on the sign-in page.';
const ADD_FACTOR = 'The user adds a passkey or an authenticator app on the account page.';

const hasSecondFactor = ({ hasTotp, passkeys }: SignInFacts): boolean => hasTotp || passkeys > 0;
/** The rule `invited` names these; nothing else about the account helps before. */
const isWaiting = (row: SignInFacts): boolean => row.is_invited && !row.has_password;

const RULES: readonly (readonly [SignInCause['cause'], Rule])[] = [
  [
    'disabled',
    (facts) =>
      facts.disabledAt === null
        ? null
        : refusal(`${facts.email} is disabled since ${facts.disabledAt}.`, command('enable', facts)),
  ],
  [
    'invited',
    (facts) => {
      if (!isWaiting(facts)) return null;
      const life = facts.is_invitation_expired ? 'expired at' : 'is valid until';
      const until = facts.invited_until === null ? '' : `: the invitation ${life} ${facts.invited_until}`;
      return refusal(`${facts.email} was invited and has not accepted${until}.`, command('invite-again', facts));
    },
  ],
  [
    'email_unverified',
    (facts, { verificationRequired }) =>
      facts.isVerified || !verificationRequired || isWaiting(facts)
        ? null
        : refusal(
            `${facts.email} has not confirmed the address, and this installation requires it.`,
            command('invite-again', facts),
          ),
  ],
  [
    'password_closed',
    (facts) =>
      facts.isClosed
        ? refusal(
            facts.isSteppedUp
              ? `An incident closed ${facts.email} to devices that have not signed in before.`
              : `The password of ${facts.email} is refused from unknown devices after ${wordsOf(facts.failedLogins, 'wrong password')}.`,
            command('unlock', facts),
          )
        : null,
  ],
  [
    'password_locked',
    (facts) =>
      facts.lockedUntil === null || facts.isClosed
        ? null
        : refusal(
            `${facts.email} is locked until ${facts.lockedUntil} after ${wordsOf(facts.failedLogins, 'wrong password')}.`,
            command('unlock', facts),
          ),
  ],
  [
    'no_sign_in_method',
    (facts) => {
      if (facts.has_password || facts.passkeys > 0 || facts.providers.length > 0 || isWaiting(facts)) return null;
      const sentence = `${facts.email} has no password, no passkey and no linked provider.`;
      return refusal(sentence, facts.isVerified ? RESET : command('invite-again', facts));
    },
  ],
  [
    'second_factor_spent',
    (facts) =>
      facts.hasTotp && facts.is_totp_spent
        ? refusal(
            `The authenticator app of ${facts.email} is refused after too many wrong codes.`,
            command('reset-factors', facts),
          )
        : null,
  ],
  [
    'second_factor_locked',
    (facts) =>
      facts.hasTotp && facts.totp_locked_until !== null && !facts.is_totp_spent
        ? refusal(
            `Codes of the authenticator app of ${facts.email} are refused until ${facts.totp_locked_until} after too many wrong ones.`,
            `The user signs in with a recovery code (${facts.codesLeft} left); if the app is lost: ${command('reset-factors', facts)}`,
          )
        : null,
  ],
  [
    'no_password',
    (facts) => {
      const others = [...facts.providers, ...(facts.passkeys > 0 ? ['a passkey'] : [])];
      if (facts.has_password || others.length === 0) return null;
      return remark(`${facts.email} has no password and signs in with ${others.join(' or ')}.`, RESET);
    },
  ],
  [
    'second_factor_missing',
    (facts, { secondFactorRoles }) => {
      const idle = facts.roles.filter((role) => secondFactorRoles.includes(role));
      if (idle.length === 0 || hasSecondFactor(facts)) return null;
      const what = `the role ${idle.join(', ')} has no effect before a sign-in with a second factor`;
      return remark(`${facts.email} has no second factor: ${what}.`, ADD_FACTOR);
    },
  ],
  [
    'second_factor_owed',
    (facts) =>
      facts.owesFactor && !hasSecondFactor(facts)
        ? remark(
            `${facts.email} had a second factor before the import, which could not be moved.`,
            'The user signs in and connects an authenticator app; there is no session before.',
          )
        : null,
  ],
  [
    'session_limit',
    (facts, { sessionsPerAccount }) =>
      sessionsPerAccount === 0 || facts.sessions < sessionsPerAccount
        ? null
        : remark(
            `${facts.email} has ${wordsOf(facts.sessions, 'session')}, as many as SESSIONS_PER_ACCOUNT allows: a sign-in ends the one used least recently.`,
            `npx sallyport sessions list --user ${facts.id}`,
          ),
  ],
];

const nothing = (facts: SignInFacts): SignInCause => {
  const factor = hasSecondFactor(facts)
    ? `a second factor is asked for (${wordsOf(facts.codesLeft, 'recovery code')} left), `
    : '';
  const last = facts.lastLoginAt === null ? 'there was no sign-in yet' : `the last sign-in was at ${facts.lastLoginAt}`;
  return {
    cause: 'nothing',
    refuses: false,
    sentence: `Nothing keeps ${facts.email} from signing in: ${factor}${last}.`,
    fix: `npx sallyport audit tail --target user:${facts.id}`,
  };
};

/** Every cause that applies, by weight: those that refuse a sign-in come first. `nothing` if none refuses one. */
export function signInCauses(facts: SignInFacts, policy: SignInPolicy): [SignInCause, ...SignInCause[]] {
  const causes = RULES.flatMap(([cause, rule]) => {
    const found = rule(facts, policy);
    return found === null ? [] : [{ cause, ...found }];
  });
  const [first, ...others] = causes;
  return first?.refuses === true ? [first, ...others] : [nothing(facts), ...causes];
}
