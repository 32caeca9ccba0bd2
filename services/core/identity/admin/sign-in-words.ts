import type { SignInCause, SignInExplanation } from '../contracts/admin-contract.ts';

/** Whose sign-in the command line explains. */
type Whose = Pick<SignInExplanation, 'user_id' | 'email'>;

const count = (number: number | undefined, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

function invited({ until, is_expired: isExpired }: SignInCause): string {
  const life = isExpired ? 'expired at' : 'is valid until';
  return `was invited and has not accepted${until ? `: the invitation ${life} ${until}` : ''}`;
}

function disabled({ since, by, reason }: SignInCause): string {
  const who = by === undefined ? '' : ` by ${by.kind} ${by.id ?? '(erased)'}`;
  return `is disabled since ${since}${who}${reason === undefined ? '' : `: ${reason}`}`;
}

function nothing(email: string, { since, codes_left: codes }: SignInCause): string {
  const factor = codes === undefined ? '' : `a second factor is asked for (${count(codes, 'recovery code')} left), `;
  const last = since ? `the last sign-in was at ${since}` : 'there was no sign-in yet';
  return `Nothing keeps ${email} from signing in: ${factor}${last}`;
}

/** What a person at a terminal reads of a cause, without the full stop. */
const SENTENCES: Readonly<Record<SignInCause['cause'], (email: string, cause: SignInCause) => string>> = {
  disabled: (email, cause) => `${email} ${disabled(cause)}`,
  invited: (email, cause) => `${email} ${invited(cause)}`,
  email_unverified: (email) => `${email} has not confirmed the address, and this installation requires it`,
  password_closed: (email, { by_incident: byIncident, failures }) =>
    byIncident
      ? `An incident closed ${email} to devices that have not signed in before`
      : `The password of ${email} is refused from unknown devices after ${count(failures, 'wrong password')}`,
  password_locked: (email, { until, failures }) =>
    `${email} is locked until ${until} after ${count(failures, 'wrong password')}`,
  no_sign_in_method: (email) => `${email} has no password, no passkey and no linked provider`,
  second_factor_spent: (email) => `The authenticator app of ${email} is refused after too many wrong codes`,
  second_factor_locked: (email, { until }) =>
    `Codes of the authenticator app of ${email} are refused until ${until} after too many wrong ones`,
  no_password: (email, { methods = [] }) =>
    `${email} has no password and signs in with ${methods.map((each) => (each === 'passkey' ? 'a passkey' : each)).join(' or ')}`,
  second_factor_missing: (email, { roles = [] }) =>
    `${email} has no second factor: the role ${roles.join(', ')} has no effect before a sign-in with a second factor`,
  second_factor_owed: (email) => `${email} had a second factor before the import, which could not be moved`,
  session_limit: (email, { sessions }) =>
    `${email} has ${count(sessions, 'session')}, as many as SESSIONS_PER_ACCOUNT allows: a sign-in ends the one used least recently`,
  nothing,
};

const VERBS: Readonly<Record<NonNullable<SignInCause['act']>, string>> = {
  enable: 'enable',
  invite: 'invite-again',
  unlock: 'unlock',
  'factors/reset': 'reset-factors',
  'password-mail': 'send-password-mail',
};

/** What helps without an act of an administrator, or before one. */
const OWN_WAYS: Readonly<Partial<Record<SignInCause['cause'], (whose: Whose, cause: SignInCause) => string>>> = {
  second_factor_locked: (_whose, { codes_left: codes }) =>
    `The user signs in with a recovery code (${codes} left); if the app is lost: `,
  second_factor_missing: () => 'The user adds a passkey or an authenticator app on the account page.',
  second_factor_owed: () => 'The user signs in and connects an authenticator app; there is no session before.',
  session_limit: ({ user_id: id }) => `npx sallyport sessions list --user ${id}`,
  nothing: ({ user_id: id }) => `npx sallyport audit tail --target user:${id}`,
};

function linesOf(cause: SignInCause, whose: Whose, before: string): string[] {
  const own = OWN_WAYS[cause.cause]?.(whose, cause) ?? '';
  const fix = cause.act === null ? '' : `npx sallyport users ${VERBS[cause.act]} ${whose.user_id} --reason <why>`;
  return [`${before}${SENTENCES[cause.cause](whose.email, cause)}.`, `  fix: ${own}${fix}`];
}

/** The answer of `users why`: each cause in a sentence, with the command that helps. */
export const explanationLines = (why: SignInExplanation): string[] => [
  ...linesOf(why, why, ''),
  ...why.also.flatMap((cause) => linesOf(cause, why, 'also: ')),
];
