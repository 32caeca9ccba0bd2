import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import {
  originRefused,
  permissionMissing,
  requestInvalid,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import { currentPasswordWrong } from '../accounts/account-errors.ts';
import { loginShape } from '../contract.ts';
import { hashingBusy, loginLocked } from '../errors.ts';
import {
  challengeOver,
  factorCodeWrong,
  factorConflict,
  passkeyRefused,
  secondFactorLocked,
  secondFactorRefused,
  secondFactorRequired,
} from './factors-errors.ts';
import {
  assertion,
  challenge,
  freshErrors,
  own,
  ownErrors,
  ownFresh,
  password,
  recovery_code,
  TAG,
  totp,
} from './factors-shapes.ts';

const factorsView = z.object({
  totp: z.boolean(),
  passkeys: z.int(),
  recovery_codes_left: z.int(),
  /** A role of yours counts only after a login of two factors. */
  required: z.boolean(),
});
const recoveryCodes = z.array(z.string());

export type FactorsView = z.output<typeof factorsView>;

export const answerSecondFactorEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/second-factor',
  operation: 'answerSecondFactor',
  summary: 'Answer the challenge of a sign-in with a code, for a session and a token pair.',
  tag: TAG,
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ challenge, totp: totp.optional(), recovery_code: recovery_code.optional() }),
  responses: { 200: loginShape },
  errors: [requestInvalid, challengeOver, secondFactorRefused, secondFactorLocked, originRefused, storeUnavailable],
});

export const stepUpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/step-up',
  operation: 'stepUp',
  summary: 'Prove anew who you are: a new session, with its own id and time, takes the place of yours.',
  tag: TAG,
  auth: own,
  limit: 'credential',
  body: z.strictObject({
    password: password.optional(),
    totp: totp.optional(),
    recovery_code: recovery_code.optional(),
    passkey: z.strictObject({ challenge, response: assertion }).optional(),
  }),
  responses: { 200: loginShape },
  errors: [
    ...ownErrors,
    secondFactorRequired,
    secondFactorRefused,
    secondFactorLocked,
    passkeyRefused,
    currentPasswordWrong,
    loginLocked,
    hashingBusy,
  ],
});

export const listFactorsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/api/auth/factors',
  operation: 'listFactors',
  summary: 'Your second factors, and how many recovery codes are left.',
  tag: TAG,
  auth: own,
  responses: { 200: factorsView },
  errors: [unauthenticated, permissionMissing, storeUnavailable],
});

export const enrolTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/enable',
  operation: 'enrolTotp',
  summary: 'A secret for an authenticator app, and ten recovery codes; shown this once, and to be confirmed.',
  tag: TAG,
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ password }),
  responses: { 200: z.object({ totp_uri: z.string(), recovery_codes: recoveryCodes }) },
  errors: [...freshErrors, currentPasswordWrong, factorConflict, loginLocked, hashingBusy],
});

export const confirmTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/confirm',
  operation: 'confirmTotp',
  summary: 'The first code of the new authenticator makes it your second factor; other sessions end with the first.',
  tag: TAG,
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ code: totp }),
  responses: { 200: loginShape },
  errors: [...freshErrors, factorCodeWrong, factorConflict],
});

export const removeTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/disable',
  operation: 'removeTotp',
  summary: 'Take the authenticator app from your account; every other session ends.',
  tag: TAG,
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: loginShape },
  errors: [...freshErrors, factorConflict],
});

export const renewRecoveryCodesEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/recovery-codes',
  operation: 'renewRecoveryCodes',
  summary: 'Ten new recovery codes in place of those you have; shown this once.',
  tag: TAG,
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: z.object({ recovery_codes: recoveryCodes }) },
  errors: [...freshErrors, factorConflict],
});
