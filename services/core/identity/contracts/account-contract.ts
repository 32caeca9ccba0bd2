import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { secondFactorRequired, storeUnavailable } from '#services/platform/errors.ts';
import { codeInvalid, currentPasswordWrong, passwordRequired } from './account-errors.ts';
import { clientSignInShape, done, returnTo } from './client-shapes.ts';
import { secondFactorLocked, secondFactorRefused } from './factors-errors.ts';
import { recovery_code, totp } from './factors-shapes.ts';
import { passwordErrors } from './password-errors.ts';
import { emailShape, nameShape, passwordShape, userShape } from './sign-in-contract.ts';
import { emailTaken, hashingBusy, lastAdmin, loginLocked } from './sign-in-errors.ts';
import { callbackRefused } from './social-errors.ts';

const defineEndpoint = endpointsOf('Accounts');
// A code has 43 characters; the bound tolerates characters that a mail program adds.
const token = z.string().max(128);
/** Of an account that has one. A two-factor session of the same browser serves as well. */
const secondFactor = { totp: totp.optional(), recovery_code: recovery_code.optional() };
const image = z
  .string()
  .max(2_048)
  .regex(/^https:\/\/[!-~]+$/)
  .nullable();

const statusOf = <const S extends string>(status: S) => z.object({ status: z.literal(status) });
/** As Better Auth's client expects it. */
const mailAsked = done.extend({ message: z.string() });
const ownAccount = { accepts: ['session', 'bearer'], for: 'person', subject: 'own' } as const;
const freshOwnAccount = { ...ownAccount, stepUp: true } as const;

export const verifyEmailEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/verify-email',
  operation: 'verifyEmail',
  summary: 'Verify an e-mail address by its mailed code and a session, the account’s password, or a new password',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ token, password: passwordShape.optional() }),
  responses: { 200: statusOf('verified') },
  errors: [
    codeInvalid,
    passwordRequired,
    currentPasswordWrong,
    emailTaken,
    loginLocked,
    ...passwordErrors,
    hashingBusy,
    storeUnavailable,
  ],
});

export const sendVerificationEmailEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/send-verification-email',
  operation: 'sendVerificationEmail',
  summary: 'Request another verification mail; the response is the same for every address',
  auth: 'public',
  limit: 'credential',
  /** `callbackURL`: where the browser goes once the address is verified. */
  body: z.strictObject({ email: emailShape, callbackURL: returnTo.optional() }),
  responses: { 200: mailAsked },
  errors: [callbackRefused, storeUnavailable],
});

export const requestPasswordResetEndpoint = defineEndpoint({
  ...sendVerificationEmailEndpoint,
  path: '/api/auth/request-password-reset',
  operation: 'requestPasswordReset',
  summary: 'Request a password reset mail; the response is the same for every address',
  /** `redirectTo`: page of an application that asks for the new password; the mail leads there, with `?token=`. */
  body: z.strictObject({ email: emailShape, redirectTo: returnTo.optional() }),
});

export const resetPasswordEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/reset-password',
  operation: 'resetPassword',
  summary: 'Set a new password by a mailed code and any second factor; every session and token of the account ends',
  auth: 'public',
  limit: 'credential',
  body: z.union([
    z.strictObject({ token, new_password: passwordShape, ...secondFactor }),
    z.strictObject({ token, newPassword: passwordShape, ...secondFactor }),
  ]),
  responses: { 200: done },
  errors: [
    codeInvalid,
    secondFactorRequired,
    secondFactorRefused,
    secondFactorLocked,
    ...passwordErrors,
    hashingBusy,
    storeUnavailable,
  ],
});

export const requestUnlockEndpoint = defineEndpoint({
  ...requestPasswordResetEndpoint,
  path: '/api/auth/request-unlock',
  operation: 'requestUnlock',
  summary: 'Request an unlock mail after wrong passwords; the response is the same for every address',
  body: z.strictObject({ email: emailShape }),
  responses: { 200: statusOf('mail_sent_if_known') },
  errors: [storeUnavailable],
});

export const unlockAccountEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/unlock',
  operation: 'unlockAccount',
  summary: 'Unlock password sign-in from any device by a mailed code',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ token }),
  responses: { 200: statusOf('unlocked') },
  errors: [codeInvalid, storeUnavailable],
});

export const changePasswordEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/change-password',
  operation: 'changePassword',
  summary: 'Change the password; every session and token of the account ends, and a new session begins here',
  auth: { ...ownAccount, stepUp: 'two_factors' },
  limit: 'credential',
  body: z.union([
    z.strictObject({ current_password: passwordShape, new_password: passwordShape }),
    z.strictObject({
      currentPassword: passwordShape,
      newPassword: passwordShape,
      /** Accepted and ignored: every session ends. */
      revokeOtherSessions: z.boolean().optional(),
    }),
  ]),
  responses: { 200: clientSignInShape },
  errors: [currentPasswordWrong, loginLocked, ...passwordErrors, hashingBusy],
});

export const readOwnUserEndpoint = defineEndpoint({
  path: '/api/auth/user',
  operation: 'readOwnUser',
  summary: 'Read the caller’s account',
  auth: ownAccount,
  responses: { 200: z.object({ user: userShape }) },
});

export const updateUserEndpoint = defineEndpoint({
  method: 'PATCH',
  path: '/api/auth/user',
  operation: 'updateUser',
  summary: 'Change name or picture; null clears it',
  auth: ownAccount,
  body: z.strictObject({ name: nameShape.nullable().optional(), image: image.optional() }),
  responses: { 200: z.object({ user: userShape }) },
});

export const changeEmailEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/change-email',
  operation: 'changeEmail',
  summary: 'Request a new e-mail address; it takes effect when the code sent to it is redeemed',
  auth: freshOwnAccount,
  limit: 'credential',
  body: z.union([
    z.strictObject({ new_email: emailShape }),
    z.strictObject({ newEmail: emailShape, callbackURL: returnTo.optional() }),
  ]),
  responses: { 200: done },
  errors: [callbackRefused],
});

export const deleteOwnUserEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/api/auth/user',
  operation: 'deleteOwnUser',
  summary: 'Delete the caller’s account with its sessions and tokens',
  auth: freshOwnAccount,
  limit: 'credential',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: z.object({ success: z.literal(true) }) },
  errors: [lastAdmin],
});

/** The same endpoints under Better Auth's names. */
export const updateUserAliasEndpoint = defineEndpoint({
  ...updateUserEndpoint,
  method: 'POST',
  path: '/api/auth/update-user',
  operation: 'updateUserAlias',
  responses: { 200: done.extend({ user: userShape }) },
});
export const deleteUserAliasEndpoint = defineEndpoint({
  ...deleteOwnUserEndpoint,
  method: 'POST',
  path: '/api/auth/delete-user',
  operation: 'deleteUserAlias',
  /** A password that is sent must be right; `callbackURL` has no effect, because no mail confirms a deletion. */
  body: z.strictObject({ password: passwordShape.optional(), callbackURL: returnTo.optional() }),
  responses: { 200: z.object({ success: z.literal(true), message: z.string() }) },
  errors: [...deleteOwnUserEndpoint.errors, currentPasswordWrong, loginLocked, hashingBusy],
});

/** Accepts query parameters that mail programs add to links. */
const page = { auth: 'public', query: z.looseObject({}), errors: [] } as const;
const html = { 200: { contentType: 'text/html; charset=utf-8' } } as const;

export const verifyEmailPageEndpoint = defineEndpoint({
  ...page,
  path: '/account/verify-email',
  operation: 'showVerifyEmail',
  summary: 'Show the page that verification links open; the code is in the fragment',
  responses: html,
});
export const resetPasswordPageEndpoint = defineEndpoint({
  ...page,
  path: '/account/reset-password',
  operation: 'showResetPassword',
  summary: 'Show the page that password reset links open; the code is in the fragment',
  responses: html,
});
export const unlockPageEndpoint = defineEndpoint({
  ...page,
  path: '/account/unlock',
  operation: 'showUnlock',
  summary: 'Show the page that unlock links open; the code is in the fragment',
  responses: html,
});
export const acceptInvitationPageEndpoint = defineEndpoint({
  ...page,
  path: '/account/accept-invitation',
  operation: 'showAcceptInvitation',
  summary: 'Show the page that invitation links open; the code is in the fragment',
  responses: html,
});
