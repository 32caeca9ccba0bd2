import {
  changeEmailEndpoint,
  changePasswordEndpoint,
  deleteOwnUserEndpoint,
  deleteUserAliasEndpoint,
  readOwnUserEndpoint,
  requestPasswordResetEndpoint,
  requestUnlockEndpoint,
  resetPasswordEndpoint,
  sendVerificationEmailEndpoint,
  unlockAccountEndpoint,
  updateUserAliasEndpoint,
  updateUserEndpoint,
  verifyEmailEndpoint,
} from '#services/domain/identity/accounts/account-contract.ts';
import {
  requestPasswordReset,
  requestUnlock,
  sendVerificationEmail,
} from '#services/domain/identity/accounts/ask-for-mail.ts';
import { changeEmail } from '#services/domain/identity/accounts/change-email.ts';
import { changePassword } from '#services/domain/identity/accounts/change-password.ts';
import { deleteAccount } from '#services/domain/identity/accounts/delete-account.ts';
import { acceptInvitationEndpoint } from '#services/domain/identity/accounts/invitation-contract.ts';
import { acceptInvitation, resetPassword } from '#services/domain/identity/accounts/password-by-code.ts';
import { unlockAccount } from '#services/domain/identity/accounts/unlock-account.ts';
import { readProfile, updateProfile } from '#services/domain/identity/accounts/update-profile.ts';
import { verifyEmail } from '#services/domain/identity/accounts/verify-email.ts';
import { clearedCookies } from '#services/domain/identity/sessions/csrf.ts';
import type { SignUpPorts } from '#services/domain/identity/sign-in/sign-up.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Accounts: email verification, password, profile, deletion. */
export function accountsRoutes(routes: RouteContext, deps: SignUpPorts): void {
  bind(routes, verifyEmailEndpoint, ({ body }, caller, { headers, signal }) =>
    verifyEmail(deps, { ...body, cookie: headers.cookie, signal }, caller),
  );
  bind(routes, sendVerificationEmailEndpoint, (input, caller) => sendVerificationEmail(deps, input.body, caller));
  bind(routes, requestPasswordResetEndpoint, (input, caller) => requestPasswordReset(deps, input.body, caller));
  bind(routes, resetPasswordEndpoint, ({ body }, caller, { signal }) => {
    const newPassword = 'new_password' in body ? body.new_password : body.newPassword;
    return resetPassword(deps, { token: body.token, newPassword, signal }, caller);
  });
  bind(routes, requestUnlockEndpoint, (input, caller) => requestUnlock(deps, input.body, caller));
  bind(routes, unlockAccountEndpoint, async ({ body }, caller, { headers }) => {
    const unlocked = await unlockAccount(deps, { ...body, cookie: headers.cookie }, caller);
    return answer(200, unlocked.body, { 'set-cookie': unlocked.setCookie });
  });
  bind(routes, acceptInvitationEndpoint, ({ body }, caller, { signal }) =>
    acceptInvitation(deps, { token: body.token, newPassword: body.new_password, signal }, caller),
  );
  bind(routes, changePasswordEndpoint, async ({ body }, caller, { headers, signal }) => {
    const [currentPassword, newPassword] =
      'new_password' in body ? [body.current_password, body.new_password] : [body.currentPassword, body.newPassword];
    const input = { currentPassword, newPassword, cookie: headers.cookie, signal };
    const login = await changePassword(deps, input, caller);
    return answer(200, login.body, { 'set-cookie': login.setCookie });
  });
  bind(routes, readOwnUserEndpoint, (input, caller) => readProfile(deps, input.body, caller));
  for (const endpoint of [updateUserEndpoint, updateUserAliasEndpoint])
    bind(routes, endpoint, (input, caller) => updateProfile(deps, input.body, caller));
  bind(routes, changeEmailEndpoint, ({ body }, caller) =>
    changeEmail(deps, { newEmail: 'new_email' in body ? body.new_email : body.newEmail }, caller),
  );
  for (const endpoint of [deleteOwnUserEndpoint, deleteUserAliasEndpoint])
    bind(routes, endpoint, async (input, caller) =>
      answer(200, await deleteAccount(deps, input.body, caller), { 'set-cookie': clearedCookies(deps) }),
    );
}
