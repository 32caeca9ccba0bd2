import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import {
  requestPasswordResetEndpoint,
  requestUnlockEndpoint,
  resetPasswordEndpoint,
  sendVerificationEmailEndpoint,
  unlockAccountEndpoint,
  verifyEmailEndpoint,
} from '../identity/contracts/account-contract.ts';
import { passwordRequired } from '../identity/contracts/account-errors.ts';
import { acceptInvitationEndpoint } from '../identity/contracts/invitation-contract.ts';
import { NO_CONTROLS, nameShape, passwordShape, signUpEndpoint } from '../identity/contracts/sign-in-contract.ts';
import { stateRewound } from '../revocations/contract.ts';
import { formTokenShape, PAGE, sentForm, shownPage } from './oauth-shapes.ts';

const defineEndpoint = endpointsOf('Accounts');
const next = z.string().max(8_192);
/** An address as typed; the page answers an incomplete one with advice. */
const email = z.string().max(254).regex(NO_CONTROLS);
/** The code of a link, or empty, and then the code that was typed with the address that it was sent to. */
const mailedCode = {
  // A code has 43 characters; the bound tolerates characters that a mail program adds.
  token: z.string().max(128),
  email: email.optional(),
  code: z.string().max(128).optional(),
  next: next.optional(),
};

const shown = {
  ...shownPage,
  /** Accepts query parameters that mail programs add to links. */
  query: z.looseObject({ next: next.optional() }),
  responses: { 200: PAGE, 400: PAGE },
  errors: [storeUnavailable],
} as const;
const sent = { ...sentForm, responses: { 200: PAGE, 400: PAGE, 403: PAGE } } as const;

export const showSignUpEndpoint = defineEndpoint({
  ...shown,
  path: '/signup',
  operation: 'showSignUp',
  summary: 'Open the sign-up page, which works without scripts',
});

export const sendSignUpEndpoint = defineEndpoint({
  ...sent,
  path: '/signup',
  operation: 'sendSignUp',
  summary: 'Submit the sign-up page: redirects to `next`, or says that a mail is on its way, or shows the page again',
  body: z.strictObject({ form_token: formTokenShape, next, name: nameShape, email, password: passwordShape }),
  responses: { 200: PAGE, 303: null, 400: PAGE, 403: PAGE, 409: PAGE },
  errors: [...signUpEndpoint.errors, stateRewound],
});

export const showCheckMailEndpoint = defineEndpoint({
  ...shown,
  path: '/account/check-mail',
  operation: 'showCheckMail',
  summary: 'Open the page on which a signed-in user enters the code of the verification mail',
  responses: { ...shown.responses, 303: null },
});

export const showForgotPasswordEndpoint = defineEndpoint({
  ...shown,
  path: '/account/forgot-password',
  operation: 'showForgotPassword',
  summary: 'Open the page that sends password reset mails',
});

export const sendForgotPasswordEndpoint = defineEndpoint({
  ...sent,
  path: '/account/forgot-password',
  operation: 'sendForgotPassword',
  summary: 'Submit the page of a forgotten password; the response is the same for every address',
  body: z.strictObject({ form_token: formTokenShape, next, email }),
  errors: requestPasswordResetEndpoint.errors,
});

export const showResendVerificationEndpoint = defineEndpoint({
  ...shown,
  path: '/account/resend-verification',
  operation: 'showResendVerification',
  summary: 'Open the page that sends another verification mail',
});

export const sendResendVerificationEndpoint = defineEndpoint({
  ...sent,
  path: '/account/resend-verification',
  operation: 'sendResendVerification',
  summary: 'Submit the page that sends another verification mail; the response is the same for every address',
  body: z.strictObject({ form_token: formTokenShape, next, email }),
  errors: sendVerificationEmailEndpoint.errors,
});

export const sendVerifyEmailEndpoint = defineEndpoint({
  ...sent,
  path: '/account/verify-email',
  operation: 'sendVerifyEmail',
  summary: 'Submit the page of a verification link',
  body: z.strictObject({
    form_token: formTokenShape,
    ...mailedCode,
    password: passwordShape.optional(),
    /** Page of an application to which the browser goes afterwards; any other address is left out. */
    callback_url: z.string().max(2_048).optional(),
  }),
  responses: { ...sent.responses, 303: null },
  errors: [...verifyEmailEndpoint.errors, stateRewound],
});

export const sendResetPasswordEndpoint = defineEndpoint({
  ...sent,
  path: '/account/reset-password',
  operation: 'sendResetPassword',
  summary: 'Submit the page of a password reset link',
  body: z.strictObject({
    form_token: formTokenShape,
    ...mailedCode,
    password: passwordShape.optional(),
    /** A code of the authenticator app, or a recovery code. */
    factor: z.string().max(64).optional(),
  }),
  errors: [...resetPasswordEndpoint.errors, passwordRequired, stateRewound],
});

export const sendInvitationEndpoint = defineEndpoint({
  ...sent,
  path: '/account/accept-invitation',
  operation: 'sendInvitation',
  summary: 'Submit the page of an invitation link',
  body: z.strictObject({ form_token: formTokenShape, ...mailedCode, password: passwordShape.optional() }),
  errors: [...acceptInvitationEndpoint.errors, passwordRequired, stateRewound],
});

export const sendUnlockEndpoint = defineEndpoint({
  ...sent,
  path: '/account/unlock',
  operation: 'sendUnlock',
  summary: 'Submit the page of an unlock link',
  body: z.strictObject({ form_token: formTokenShape, ...mailedCode }),
  errors: unlockAccountEndpoint.errors,
});

export const sendUnlockRequestEndpoint = defineEndpoint({
  ...sent,
  path: '/account/request-unlock',
  operation: 'sendUnlockRequest',
  summary: 'Ask for an unlock mail on the page of a locked account; the response is the same for every address',
  body: z.strictObject({ form_token: formTokenShape, email }),
  errors: requestUnlockEndpoint.errors,
});
