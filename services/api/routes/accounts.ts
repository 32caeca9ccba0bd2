import { requestPasswordReset, sendVerificationEmail } from '#services/core/identity/accounts/ask-for-mail.ts';
import { changeEmail } from '#services/core/identity/accounts/change-email.ts';
import { changePassword } from '#services/core/identity/accounts/change-password.ts';
import { deleteAccount } from '#services/core/identity/accounts/delete-account.ts';
import { acceptInvitation, resetPassword } from '#services/core/identity/accounts/password-by-code.ts';
import { unlockAccount } from '#services/core/identity/accounts/unlock-account.ts';
import { updateProfile } from '#services/core/identity/accounts/update-profile.ts';
import { verifyEmail } from '#services/core/identity/accounts/verify-email.ts';
import { clientSignIn } from '#services/core/identity/better-auth-client/client-views.ts';
import {
  changeEmailEndpoint,
  changePasswordEndpoint,
  deleteOwnUserEndpoint,
  deleteUserAliasEndpoint,
  requestPasswordResetEndpoint,
  resetPasswordEndpoint,
  sendVerificationEmailEndpoint,
  unlockAccountEndpoint,
  updateUserAliasEndpoint,
  verifyEmailEndpoint,
} from '#services/core/identity/contracts/account-contract.ts';
import { acceptInvitationEndpoint } from '#services/core/identity/contracts/invitation-contract.ts';
import { verifySentPassword } from '#services/core/identity/factors/verify-own-password.ts';
import { clearedCookies } from '#services/core/identity/sessions/csrf.ts';
import type { SignUpPorts } from '#services/core/identity/sign-in/sign-up.ts';
import { returnPage } from '#services/core/identity/social/return-address.ts';
import { answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

const DONE = { status: true } as const;
/** The words of Better Auth, which applications show. */
const MAIL_ASKED = { ...DONE, message: 'If this email exists in our system, check your email for the reset link' };

/** Accounts: email verification, password, profile, deletion. */
export function accountsRoutes(routes: RouteContext, deps: SignUpPorts): void {
  /** The address of a page of an application, if it is on our origin or a listed one. Throws `callback_refused`. */
  const pageOf = (asked: string | undefined): string | undefined =>
    returnPage(deps.auth.browser, deps.mailer.publicUrl, asked);
  bind(routes, verifyEmailEndpoint, async ({ body }, caller, { headers, signal }) => {
    const { status } = await verifyEmail(deps, { ...body, cookie: headers.cookie, signal }, caller);
    return { status };
  });
  bind(routes, sendVerificationEmailEndpoint, async ({ body: { email, callbackURL } }, caller) => {
    await sendVerificationEmail(deps, { email, page: pageOf(callbackURL) }, caller);
    return MAIL_ASKED;
  });
  bind(routes, requestPasswordResetEndpoint, async ({ body: { email, redirectTo } }, caller) => {
    await requestPasswordReset(deps, { email, page: pageOf(redirectTo) }, caller);
    return MAIL_ASKED;
  });
  bind(routes, resetPasswordEndpoint, async ({ body }, caller, { headers, signal }) => {
    const newPassword = 'new_password' in body ? body.new_password : body.newPassword;
    const { token, totp, recovery_code: recoveryCode } = body;
    const input = { token, newPassword, totp, recoveryCode, cookie: headers.cookie, signal };
    await resetPassword(deps, input, caller);
    return DONE;
  });
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
    return answer(200, clientSignIn(login), { 'set-cookie': login.setCookie });
  });
  bind(routes, updateUserAliasEndpoint, async (input, caller) => ({
    ...DONE,
    ...(await updateProfile(deps, input.body, caller)),
  }));
  bind(routes, changeEmailEndpoint, async ({ body }, caller) => {
    const asked =
      'new_email' in body ? { newEmail: body.new_email } : { newEmail: body.newEmail, page: pageOf(body.callbackURL) };
    await changeEmail(deps, asked, caller);
    return DONE;
  });
  bind(routes, deleteOwnUserEndpoint, async (input, caller) =>
    answer(200, await deleteAccount(deps, input.body, caller), { 'set-cookie': clearedCookies(deps) }),
  );
  bind(routes, deleteUserAliasEndpoint, async ({ body }, caller, { headers, signal }) => {
    await verifySentPassword(deps, { password: body?.password, cookie: headers.cookie, signal }, caller);
    const deleted = { ...(await deleteAccount(deps, {}, caller)), message: 'User deleted' };
    return answer(200, deleted, { 'set-cookie': clearedCookies(deps) });
  });
}
