import { z } from 'zod';
import { defineEndpoint } from '../../platform/define/endpoint.ts';
import {
  originRefused,
  permissionMissing,
  requestInvalid,
  stepUpRequired,
  storeUnavailable,
  unauthenticated,
} from '../../platform/errors.ts';
import { currentPasswordWrong } from './account-errors.ts';
import { loginShape } from './contract.ts';
import { hashingBusy, loginLocked, loginUnavailable } from './errors.ts';
import {
  challengeOver,
  factorCodeWrong,
  factorConflict,
  passkeyRefused,
  passkeyUnknown,
  secondFactorLocked,
  secondFactorRefused,
  secondFactorRequired,
} from './factors-errors.ts';

const tag = 'Second factors';
const own = { accepts: ['session', 'bearer'] } as const;
const ownFresh = { ...own, stepUp: true } as const;

// Only bounds for the parser: whatever is no code of ours is refused as a wrong one.
const totp = z.string().max(16);
const recovery_code = z.string().max(32);
const password = z.string().max(4_096);
const challenge = z
  .string()
  .min(16)
  .max(256)
  .regex(/^[\w.%+/=-]+$/);
const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u);
const passkeyId = z.strictObject({ id: z.string().regex(/^[\w-]{1,64}$/) });
const base64url = (maximum: number) =>
  z
    .string()
    .max(maximum)
    .regex(/^[\w-]*$/);

/** WebAuthn §5.1: what `PublicKeyCredential.toJSON` gives; unknown members of newer browsers are passed over. */
const credential = (response: z.ZodType) =>
  z.looseObject({
    id: base64url(1_400).min(1),
    rawId: base64url(1_400).min(1),
    type: z.literal('public-key'),
    authenticatorAttachment: z.enum(['platform', 'cross-platform']).nullish(),
    clientExtensionResults: z.record(z.string().max(64), z.unknown()),
    response,
  });
const attestation = credential(
  z.looseObject({
    clientDataJSON: base64url(4_096),
    attestationObject: base64url(16_384),
    transports: z
      .array(
        z
          .string()
          .max(32)
          .regex(/^[\w-]*$/),
      )
      .max(8)
      .optional(),
  }),
);
const assertion = credential(
  z.looseObject({
    clientDataJSON: base64url(4_096),
    authenticatorData: base64url(4_096),
    signature: base64url(2_048),
    userHandle: base64url(128).nullish(),
  }),
);

const passkeyView = z.object({
  id: z.string(),
  name: z.string().nullable(),
  device_bound: z.boolean(),
  backed_up: z.boolean(),
  created_at: z.iso.datetime(),
});
const factorsView = z.object({
  totp: z.boolean(),
  passkeys: z.int(),
  recovery_codes_left: z.int(),
  /** A role of yours counts only after a login of two factors. */
  required: z.boolean(),
});
const passkeyOptions = z.object({ options: z.record(z.string(), z.unknown()), challenge: z.string() });
const recoveryCodes = z.array(z.string());

export type PasskeyView = z.output<typeof passkeyView>;
export type FactorsView = z.output<typeof factorsView>;

const ownErrors = [
  requestInvalid,
  unauthenticated,
  permissionMissing,
  originRefused,
  loginUnavailable,
  storeUnavailable,
];
const freshErrors = [...ownErrors, stepUpRequired];

export const answerSecondFactorEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/second-factor',
  operation: 'answerSecondFactor',
  summary: 'Answer the challenge of a sign-in with a code, for a session and a token pair.',
  tag,
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ challenge, totp: totp.optional(), recovery_code: recovery_code.optional() }),
  responses: { 200: loginShape },
  errors: [
    requestInvalid,
    challengeOver,
    secondFactorRefused,
    secondFactorLocked,
    originRefused,
    loginUnavailable,
    storeUnavailable,
  ],
});

export const stepUpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/step-up',
  operation: 'stepUp',
  summary: 'Prove anew who you are: a new session, with its own id and time, takes the place of yours.',
  tag,
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
  tag,
  auth: own,
  responses: { 200: factorsView },
  errors: [unauthenticated, permissionMissing, storeUnavailable],
});

export const enrolTotpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/two-factor/enable',
  operation: 'enrolTotp',
  summary: 'A secret for an authenticator app, and ten recovery codes; shown this once, and to be confirmed.',
  tag,
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
  tag,
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
  tag,
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
  tag,
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: z.object({ recovery_codes: recoveryCodes }) },
  errors: [...freshErrors, factorConflict],
});

export const preparePasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/register/options',
  operation: 'preparePasskey',
  summary: 'What navigator.credentials.create needs to make a passkey for you (WebAuthn §5.4).',
  tag,
  auth: ownFresh,
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: passkeyOptions },
  errors: [...freshErrors, factorConflict],
});

export const registerPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/register/verify',
  operation: 'registerPasskey',
  summary: 'Take the new passkey into your account; recovery codes come with the first factor.',
  tag,
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ challenge, name, response: attestation }),
  responses: {
    201: loginShape.extend({ passkey_id: z.string(), recovery_codes: recoveryCodes.nullable() }),
  },
  errors: [...freshErrors, passkeyRefused, factorConflict],
});

export const askForPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/sign-in/options',
  operation: 'askForPasskey',
  summary: 'What navigator.credentials.get needs to ask for a passkey of ours (WebAuthn §5.5); the same for everybody.',
  tag,
  auth: 'public',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: passkeyOptions },
  errors: [requestInvalid, originRefused, loginUnavailable, storeUnavailable],
});

export const signInWithPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/sign-in/verify',
  operation: 'signInWithPasskey',
  summary: 'A passkey for a session of two factors and a token pair.',
  tag,
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ challenge, response: assertion }),
  responses: { 200: loginShape },
  errors: [requestInvalid, passkeyRefused, originRefused, loginUnavailable, storeUnavailable],
});

export const listPasskeysEndpoint = defineEndpoint({
  method: 'GET',
  path: '/api/auth/passkeys',
  operation: 'listPasskeys',
  summary: 'Your passkeys.',
  tag,
  auth: own,
  responses: { 200: z.object({ passkeys: z.array(passkeyView) }) },
  errors: [unauthenticated, permissionMissing, storeUnavailable],
});

export const renamePasskeyEndpoint = defineEndpoint({
  method: 'PATCH',
  path: '/api/auth/passkeys/{id}',
  operation: 'renamePasskey',
  summary: 'Give one of your passkeys another name.',
  tag,
  auth: own,
  params: passkeyId,
  body: z.strictObject({ name }),
  responses: { 200: passkeyView },
  errors: [requestInvalid, unauthenticated, permissionMissing, originRefused, passkeyUnknown, storeUnavailable],
});

export const removePasskeyEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/api/auth/passkeys/{id}',
  operation: 'removePasskey',
  summary: 'Take a passkey from your account; every other session ends.',
  tag,
  auth: ownFresh,
  params: passkeyId,
  responses: { 200: loginShape },
  errors: [...freshErrors, passkeyUnknown],
});
