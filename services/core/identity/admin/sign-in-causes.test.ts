import { describe, expect, test } from 'vitest';
import { type SignInFacts, type SignInPolicy, signInCauses } from './sign-in-causes.ts';
import { explanationLines } from './sign-in-words.ts';

const AT = '2026-11-24T08:00:00.000Z';
const GOOD: SignInFacts = {
  disabledAt: null,
  isVerified: true,
  is_invited: false,
  invited_until: null,
  is_invitation_expired: false,
  has_password: true,
  providers: [],
  passkeys: 0,
  hasTotp: false,
  codesLeft: 0,
  owesFactor: false,
  totp_locked_until: null,
  is_totp_spent: false,
  failedLogins: 0,
  lockedUntil: null,
  isClosed: false,
  isSteppedUp: false,
  roles: ['user'],
  sessions: 1,
  lastLoginAt: AT,
};
const POLICY: SignInPolicy = { verificationRequired: true, secondFactorRoles: ['admin'], sessionsPerAccount: 5 };

const of = (changes: Partial<SignInFacts>, policy: Partial<SignInPolicy> = {}) =>
  signInCauses({ ...GOOD, ...changes }, { ...POLICY, ...policy });
const whose = { user_id: 'u1', email: 'olga@clinic.test' };
/** What the command line says. */
const said = ([first, ...also]: ReturnType<typeof of>) => explanationLines({ ...whose, ...first, also });
const names = (...given: Parameters<typeof of>) => of(...given).map(({ cause }) => cause);

const REASON = '--reason <why>';
const RESET = `send-password-mail u1 ${REASON}`;
const FACTOR = 'The user adds a passkey or an authenticator app on the account page.';

describe('what refuses a sign-in is told in one sentence with the command that helps', () => {
  test.each<[string, Partial<SignInFacts>, string, string]>([
    ['disabled', { disabledAt: AT }, `olga@clinic.test is disabled since ${AT}.`, `enable u1 ${REASON}`],
    [
      'invited',
      { is_invited: true, has_password: false, isVerified: false, invited_until: AT },
      `olga@clinic.test was invited and has not accepted: the invitation is valid until ${AT}.`,
      `invite-again u1 ${REASON}`,
    ],
    [
      'invited',
      { is_invited: true, has_password: false, isVerified: false, invited_until: AT, is_invitation_expired: true },
      `olga@clinic.test was invited and has not accepted: the invitation expired at ${AT}.`,
      `invite-again u1 ${REASON}`,
    ],
    [
      'invited',
      { is_invited: true, has_password: false },
      'olga@clinic.test was invited and has not accepted.',
      `invite-again u1 ${REASON}`,
    ],
    [
      'email_unverified',
      { isVerified: false },
      'olga@clinic.test has not confirmed the address, and this installation requires it.',
      `invite-again u1 ${REASON}`,
    ],
    [
      'password_closed',
      { isClosed: true, failedLogins: 100 },
      'The password of olga@clinic.test is refused from unknown devices after 100 wrong passwords.',
      `unlock u1 ${REASON}`,
    ],
    [
      'password_closed',
      { isClosed: true, isSteppedUp: true, failedLogins: 100 },
      'An incident closed olga@clinic.test to devices that have not signed in before.',
      `unlock u1 ${REASON}`,
    ],
    [
      'password_locked',
      { lockedUntil: AT, failedLogins: 1 },
      `olga@clinic.test is locked until ${AT} after 1 wrong password.`,
      `unlock u1 ${REASON}`,
    ],
    [
      'no_sign_in_method',
      { has_password: false },
      'olga@clinic.test has no password, no passkey and no linked provider.',
      RESET,
    ],
    [
      'no_sign_in_method',
      { has_password: false, isVerified: false },
      'olga@clinic.test has no password, no passkey and no linked provider.',
      `invite-again u1 ${REASON}`,
    ],
    [
      'second_factor_spent',
      { hasTotp: true, is_totp_spent: true, totp_locked_until: AT },
      'The authenticator app of olga@clinic.test is refused after too many wrong codes.',
      `reset-factors u1 ${REASON}`,
    ],
    [
      'second_factor_locked',
      { hasTotp: true, totp_locked_until: AT, codesLeft: 9 },
      `Codes of the authenticator app of olga@clinic.test are refused until ${AT} after too many wrong ones.`,
      `reset-factors u1 ${REASON}`,
    ],
  ])('%s', (cause, facts, sentence, fix) => {
    const found = of(facts, { verificationRequired: cause === 'email_unverified' });
    const [first, ...others] = found;
    expect(first).toMatchObject({ cause, refuses: true });
    const [line, help] = said(found);
    expect([line, help?.endsWith(fix)]).toEqual([sentence, true]);
    expect(others.filter(({ refuses }) => refuses)).toEqual([]);
  });
});

describe('what only explains what the user sees comes after "nothing"', () => {
  test.each<[string, Partial<SignInFacts>, string, string]>([
    [
      'no_password',
      { has_password: false, providers: ['google'], passkeys: 1 },
      'olga@clinic.test has no password and signs in with google or a passkey.',
      RESET,
    ],
    [
      'second_factor_missing',
      { roles: ['admin', 'user'] },
      'olga@clinic.test has no second factor: the role admin has no effect before a sign-in with a second factor.',
      FACTOR,
    ],
    [
      'second_factor_owed',
      { owesFactor: true },
      'olga@clinic.test had a second factor before the import, which could not be moved.',
      'The user signs in and connects an authenticator app; there is no session before.',
    ],
    [
      'session_limit',
      { sessions: 5 },
      'olga@clinic.test has 5 sessions, as many as SESSIONS_PER_ACCOUNT allows: a sign-in ends the one used least recently.',
      'npx sallyport sessions list --user u1',
    ],
  ])('%s', (cause, facts, sentence, fix) => {
    const found = of(facts);
    expect(found).toMatchObject([
      { cause: 'nothing', refuses: false },
      { cause, refuses: false },
    ]);
    const [, , line, help] = said(found);
    expect([line, help?.endsWith(fix)]).toEqual([`also: ${sentence}`, true]);
  });

  test('nothing: the last sign-in, the second factor that is asked for, and where the refused attempts are listed', () => {
    const fix = '  fix: npx sallyport audit tail --target user:u1';
    const signsIn = 'Nothing keeps olga@clinic.test from signing in: ';
    expect(said(of({}))).toEqual([`${signsIn}the last sign-in was at ${AT}.`, fix]);
    expect(said(of({ hasTotp: true, codesLeft: 1, lastLoginAt: null }))).toEqual([
      `${signsIn}a second factor is asked for (1 recovery code left), there was no sign-in yet.`,
      fix,
    ]);
  });
});

test('a cause carries the values of its sentence and the act that helps', () => {
  const locked = { cause: 'password_locked', refuses: true, act: 'unlock', until: AT, failures: 5 };
  expect(of({ lockedUntil: AT, failedLogins: 5 })).toEqual([locked]);
  const disabled = { ...whose, cause: 'disabled', refuses: true, act: 'enable', since: AT } as const;
  const also: [] = [];
  const by = { kind: 'user', id: 'u2' };
  expect(explanationLines({ ...disabled, also, by, reason: 'left' })[0]).toBe(
    `olga@clinic.test is disabled since ${AT} by user u2: left.`,
  );
  expect(explanationLines({ ...disabled, also, by: { kind: 'user', id: null } })[0]).toMatch(/ by user \(erased\)\.$/);
});

test('several causes are told by weight', () =>
  expect(names({ disabledAt: AT, lockedUntil: AT, isVerified: false, roles: ['admin'], sessions: 9 })).toEqual(
    'disabled email_unverified password_locked second_factor_missing session_limit'.split(' '),
  ));

test('a setting that does not apply is no cause', () => {
  expect(names({ isVerified: false }, { verificationRequired: false })).toEqual(['nothing']);
  expect(names({ sessions: 999 }, { sessionsPerAccount: 0 })).toEqual(['nothing']);
  expect(names({ roles: ['admin'], passkeys: 1 })).toEqual(['nothing']);
  // An account with an imported password keeps its invitation until the address is verified.
  expect(names({ is_invited: true }, { verificationRequired: false })).toEqual(['nothing']);
  // A lock of an authenticator app that was removed.
  expect(names({ is_totp_spent: true, totp_locked_until: AT })).toEqual(['nothing']);
});
