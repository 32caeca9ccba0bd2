import { expect, test } from 'vitest';
import { sessionOperations } from './session-operations.ts';
import { userOperations } from './user-operations.ts';

const BARE = {
  ...{
    id: 'u1',
    email: 'ada@people.test',
    name: null,
    roles: ['user'],
    created_at: '2026-01-01',
    updated_at: '2026-01-01',
  },
  ...{ email_verified_at: null, disabled_at: null, invited_roles: [], sessions: 0, logins: 0, last_login_at: null },
  ...{ password_changed_at: null, failed_logins: 0, locked_until: null, password_closed: false },
  factors: { totp: false, passkeys: 0, recovery_codes_left: 0, owed: false },
};
const shown = (view: object): string => {
  const operation = userOperations.find(({ endpoint }) => endpoint.operation === 'readUser');
  const lines = operation?.command?.lines as unknown as (user: object) => readonly string[];
  return lines({ ...BARE, ...view }).join('\n');
};

test('the lines of an account say what stands between its user and a session', () => {
  expect(shown({})).toBe(
    [
      'u1  2026-01-01  enabled   user  ada@people.test',
      'sessions 0  token families 0  last sign-in never',
      'e-mail address not verified',
      'password not locked  wrong 0  changed never',
      'factors totp no  passkeys 0  recovery codes 0',
    ].join('\n'),
  );
  const at = '2026-02-02';
  const stuck = { disabled_at: at, email_verified_at: at, invited_roles: ['operator'], password_closed: true };
  expect(shown({ ...stuck, last_login_at: at, password_changed_at: at })).toMatch(
    /disabled .*last sign-in 2026-02-02.*verified 2026-02-02 {2}invited as operator.*password locked until an administrator.*changed 2026-02-02/s,
  );
  expect(shown({ locked_until: at })).toContain('password locked until 2026-02-02');
});

test('the lines of an account say that it owes a second factor since an import', () => {
  const factors = { totp: true, passkeys: 1, recovery_codes_left: 9, owed: true };
  expect(shown({ factors })).toContain('factors totp yes  passkeys 1  recovery codes 9  owes one since an import');
});

test('the question before a reset of factors says whether the passkeys go too', () => {
  const reset = userOperations.find(({ endpoint }) => endpoint.operation === 'resetFactors');
  const asks = reset?.command?.asks as unknown as (input: object, user: object) => string;
  expect(asks({}, BARE)).toBe('remove the authenticator app from ada@people.test');
  expect(asks({ passkeys: true }, BARE)).toBe('remove the authenticator app and every passkey from ada@people.test');
});

const REACH = { logins: 3, applications: 2, sessions: 2, users: 1, is_more: false };

test('a command line says what ends, and when there is more than it counted', () => {
  const reach = sessionOperations.find(({ endpoint }) => endpoint.operation === 'readReach');
  const lines = reach?.command?.lines as unknown as (view: typeof REACH) => readonly string[];
  expect(lines(REACH)).toEqual(['3 sign-ins at 2 applications, in 2 sessions of 1 users']);
  expect(lines({ ...REACH, logins: 10_000, is_more: true })).toEqual([
    'over 10000 sign-ins at 2 applications, in 2 sessions of 1 users',
  ]);
});
