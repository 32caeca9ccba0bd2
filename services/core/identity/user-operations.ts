import { operation } from '../shared/operation.ts';
import { grantRole, removeRole } from './admin/assign-role.ts';
import { deleteUser, disableUser, enableUser } from './admin/disable-user.ts';
import { endUserSessions } from './admin/end-user-sessions.ts';
import { explainSignIn } from './admin/explain-sign-in.ts';
import { changeUserEmail, sendPasswordMail, verifyUserEmail } from './admin/help-user.ts';
import { listUsers, showUser } from './admin/read-users.ts';
import { resetFactors } from './admin/reset-factors.ts';
import { explanationLines } from './admin/sign-in-words.ts';
import {
  type AccountDetailView,
  type AccountView,
  changeUserEmailEndpoint,
  deleteUserEndpoint,
  disableUserEndpoint,
  enableUserEndpoint,
  endUserSessionsEndpoint,
  explainSignInEndpoint,
  grantRoleEndpoint,
  listUsersEndpoint,
  readUserEndpoint,
  removeRoleEndpoint,
  resetFactorsEndpoint,
  sendPasswordMailEndpoint,
  verifyUserEmailEndpoint,
} from './contracts/admin-contract.ts';

/** What the command line says of every account: it reads it by its id or address, with the keys of its locks. */
const ofUser = {
  loadsKeys: true,
  arguments: { user: { member: 'user_id', help: 'user id or e-mail address', reads: 'user' } },
} as const;

export const userLine = (user: AccountView): string =>
  [
    user.id,
    user.created_at,
    (user.disabled_at === null ? 'enabled' : 'disabled').padEnd(8),
    user.roles.join(','),
    user.email,
  ].join('  ');

/** Summary of an account for support staff. */
function accountState(user: AccountDetailView): string[] {
  const { totp, passkeys, recovery_codes_left: codes, owed } = user.factors;
  const lock = user.password_closed
    ? 'locked until an administrator or the owner unlocks it'
    : user.locked_until === null
      ? 'not locked'
      : `locked until ${user.locked_until}`;
  return [
    `sessions ${user.sessions}  token families ${user.logins}  last sign-in ${user.last_login_at ?? 'never'}`,
    `e-mail address ${user.email_verified_at === null ? 'not verified' : `verified ${user.email_verified_at}`}${user.invited_roles.length > 0 ? `  invited as ${user.invited_roles.join(',')}` : ''}`,
    `password ${lock}  wrong ${user.failed_logins}  changed ${user.password_changed_at ?? 'never'}`,
    `factors totp ${totp ? 'yes' : 'no'}  passkeys ${passkeys}  recovery codes ${codes}${owed ? '  owes one since an import' : ''}`,
  ];
}

const lines = (user: AccountView): string[] => [userLine(user)];
const wholeState = (user: AccountDetailView): string[] => [userLine(user), ...accountState(user)];

/** Accounts, for callers with the permission. */
export const userOperations = [
  operation(listUsersEndpoint, listUsers, {
    verb: 'users list',
    help: 'list accounts, newest first',
    options: {
      email_prefix: 'only addresses with this prefix',
      role: { flags: '--role <name>', help: 'only accounts with this role' },
      disabled: { flags: '--disabled', help: 'only disabled accounts', value: 'true' },
      created_from: {
        flags: '--created-from <time>',
        help: 'only accounts created then or later; a day, or a time as 2026-01-31T08:00:00Z',
        reads: 'from-day',
      },
      created_to: { flags: '--created-to <time>', help: 'only accounts created then or earlier', reads: 'to-day' },
    },
    line: userLine,
  }),
  operation(readUserEndpoint, showUser, {
    ...ofUser,
    verb: 'users show <user>',
    help: 'show an account: sessions, token families, locks and second factors',
    lines: wholeState,
  }),
  operation(disableUserEndpoint, disableUser, {
    ...ofUser,
    verb: 'users disable <user>',
    help: 'disable an account, end its sessions and revoke its tokens',
    about: showUser,
    asks: (_input, { email }: AccountView) => `disable ${email}`,
    lines,
  }),
  operation(enableUserEndpoint, enableUser, {
    ...ofUser,
    verb: 'users enable <user>',
    help: 'enable an account again; ended sessions stay ended',
    about: showUser,
    asks: (_input, { email }: AccountView) => `enable ${email}`,
    lines,
  }),
  operation(resetFactorsEndpoint, resetFactors, {
    ...ofUser,
    verb: 'users reset-factors <user>',
    help: 'remove a lost authenticator app from an account; its owner is notified by mail, and its sessions end',
    options: { passkeys: 'also remove every passkey, leaving only the password' },
    about: showUser,
    asks: ({ passkeys }, { email }: AccountView) =>
      `remove the authenticator app${passkeys ? ' and every passkey' : ''} from ${email}`,
    lines: wholeState,
  }),
  operation(sendPasswordMailEndpoint, sendPasswordMail, {
    ...ofUser,
    verb: 'users send-password-mail <user>',
    help: 'mail the owner of an account a code for a new password',
    about: showUser,
    asks: (_input, { email }: AccountView) => `mail ${email} a code for a new password`,
    lines,
  }),
  operation(verifyUserEmailEndpoint, verifyUserEmail, {
    ...ofUser,
    verb: 'users verify-email <user>',
    help: 'confirm the address of an account without a code',
    about: showUser,
    asks: (_input, { email }: AccountView) => `mark ${email} as verified`,
    lines: wholeState,
  }),
  operation(changeUserEmailEndpoint, changeUserEmail, {
    ...ofUser,
    verb: 'users change-email <user> <email>',
    help: 'change the address of an account; the old one is told by mail',
    about: showUser,
    asks: ({ email: to }, { email }: AccountView) => `change the address of ${email} to ${to}`,
    lines: wholeState,
  }),
  operation(deleteUserEndpoint, deleteUser, {
    ...ofUser,
    verb: 'users delete <user>',
    help: 'delete an account with its sessions and tokens',
    about: showUser,
    asks: (_input, { email }: AccountView) => `delete ${email}`,
  }),
  operation(explainSignInEndpoint, explainSignIn, {
    ...ofUser,
    verb: 'users why <user>',
    help: 'explain why a user cannot sign in, with the command that helps',
    lines: explanationLines,
  }),
  operation(grantRoleEndpoint, grantRole),
  operation(removeRoleEndpoint, removeRole),
  operation(endUserSessionsEndpoint, endUserSessions),
];
