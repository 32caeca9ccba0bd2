import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, originRefused, secondFactorRequired, storeUnavailable } from '#services/platform/errors.ts';
import { currentPasswordWrong } from './account-errors.ts';
import { clientSignInShape, done } from './client-shapes.ts';
import {
  challengeOver,
  factorCodeWrong,
  factorConflict,
  passkeyRefused,
  secondFactorLocked,
  secondFactorRefused,
} from './factors-errors.ts';
import { assertion, challenge, own, ownFresh, password, recovery_code, TAG, totp } from './factors-shapes.ts';
import { signInShape } from './sign-in-contract.ts';
import { hashingBusy, loginLocked } from './sign-in-errors.ts';

const defineEndpoint = endpointsOf(TAG);
const factorsView = component('Factors', {
  totp: z.boolean(),
  passkeys: z.int(),
  recovery_codes_left: z.int(),
  /** One of the caller's roles takes effect only after a two-factor sign-in. */
  required: z.boolean(),
});
const recoveryCodes = z.array(z.string());

export type FactorsView = z.output<typeof factorsView>;

export const answerSecondFactorEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/second-factor',
  operation: 'answerSecondFactor',
  summary: 'Answer a sign-in challenge with a code, for a session and a token pair',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ challenge, totp: totp.optional(), recovery_code: recovery_code.optional() }),
  responses: { 200: signInShape },
  errors: [challengeOver, secondFactorRefused, secondFactorLocked, originRefused, storeUnavailable, directoryStale],
});

export const offerOwedFactorEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/second-factor/enrol',
  operation: 'offerOwedFactor',
  summary: 'Get the app secret and recovery codes of a sign-in challenge whose factors are `enrolment`',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ challenge }),
  responses: { 200: z.object({ totp_uri: z.string(), recovery_codes: recoveryCodes }) },
  errors: [challengeOver, originRefused, storeUnavailable, directoryStale],
});

export const stepUpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/step-up',
  operation: 'stepUp',
  summary: 'Authenticate again (step-up); the session goes on with a new cookie, time and token pair',
  auth: own,
  limit: 'credential',
  body: z.strictObject({
    password: password.optional(),
    totp: totp.optional(),
    recovery_code: recovery_code.optional(),
    passkey: z.strictObject({ challenge, response: assertion }).optional(),
  }),
  responses: { 200: signInShape },
  errors: [
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
  path: '/api/auth/factors',
  operation: 'listFactors',
  summary: 'List the caller’s second factors and remaining recovery codes',
  auth: own,
  responses: { 200: factorsView },
});

export const enrolTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/enable',
  operation: 'enrolTotp',
  summary:
    'Start enrolling an authenticator app: returns its secret, once, with ten recovery codes unless the account has some',
  auth: ownFresh,
  limit: 'credential',
  // Better Auth's client sends the others; every installation has one issuer.
  body: z.strictObject({ password, method: z.literal('totp').optional(), issuer: z.string().max(64).optional() }),
  /** The members of Better Auth (`totpURI`, `backupCodes`) say the same as ours. */
  responses: {
    200: z.object({
      method: z.literal('totp'),
      totpURI: z.string(),
      backupCodes: recoveryCodes,
      totp_uri: z.string(),
      recovery_codes: recoveryCodes,
    }),
  },
  errors: [currentPasswordWrong, factorConflict, loginLocked, hashingBusy],
});

export const confirmTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/confirm',
  operation: 'confirmTotp',
  summary: 'Confirm a new authenticator app by its first code; the first factor ends every other session',
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ code: totp }),
  responses: { 200: signInShape },
  errors: [factorCodeWrong, factorConflict],
});

export const removeTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/disable',
  operation: 'removeTotp',
  summary: 'Remove the authenticator app; every other session ends',
  auth: ownFresh,
  limit: 'credential',
  /** A password that is sent must be right. */
  body: z.strictObject({ password: password.optional() }),
  bodyOptional: true,
  responses: { 200: clientSignInShape.extend(done.shape) },
  errors: [factorConflict, currentPasswordWrong, loginLocked, hashingBusy],
});

export const renewRecoveryCodesEndpoint = defineEndpoint({
  ...removeTotpEndpoint,
  path: '/api/auth/two-factor/recovery-codes',
  operation: 'renewRecoveryCodes',
  summary: 'Replace the recovery codes with ten new ones, shown once',
  body: z.strictObject({}),
  responses: { 200: z.object({ recovery_codes: recoveryCodes }) },
  errors: [factorConflict],
});
