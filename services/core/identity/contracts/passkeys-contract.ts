import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, originRefused, storeUnavailable } from '#services/platform/errors.ts';
import { factorConflict, passkeyRefused, passkeyUnknown } from './factors-errors.ts';
import { assertion, base64url, challenge, credential, own, ownFresh, TAG } from './factors-shapes.ts';
import { signInShape } from './sign-in-contract.ts';

const defineEndpoint = endpointsOf(TAG);

export const passkeyName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u);
const passkeyId = z.strictObject({ id: z.string().regex(/^[\w-]{1,64}$/) });
export const attestation = credential(
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
const passkeyView = component('Passkey', {
  id: z.string(),
  name: z.string().nullable(),
  device_bound: z.boolean(),
  backed_up: z.boolean(),
  created_at: z.iso.datetime(),
});
const passkeyOptions = z
  .object({ options: z.record(z.string(), z.unknown()), challenge: z.string() })
  .register(componentNames, { id: 'PasskeyOptions' });
const recoveryCodes = z.array(z.string());

export type PasskeyView = z.output<typeof passkeyView>;

export const preparePasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/register/options',
  operation: 'preparePasskey',
  summary: 'Get the options for navigator.credentials.create to register a passkey (WebAuthn §5.4)',
  auth: ownFresh,
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: passkeyOptions },
  errors: [factorConflict],
});

export const registerPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/register/verify',
  operation: 'registerPasskey',
  summary: 'Register a new passkey; the first factor of an account comes with recovery codes',
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ challenge, name: passkeyName, response: attestation }),
  responses: { 201: signInShape.extend({ passkey_id: z.string(), recovery_codes: recoveryCodes.nullable() }) },
  errors: [passkeyRefused, factorConflict],
});

export const askForPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/sign-in/options',
  operation: 'askForPasskey',
  summary: 'Get the options for navigator.credentials.get (WebAuthn §5.5); the same for every user',
  auth: 'public',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: passkeyOptions },
  errors: [originRefused, storeUnavailable],
});

export const signInWithPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/sign-in/verify',
  operation: 'signInWithPasskey',
  summary: 'Sign in with a passkey, for a two-factor session and a token pair',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ challenge, response: assertion }),
  responses: { 200: signInShape },
  errors: [passkeyRefused, originRefused, storeUnavailable, directoryStale],
});

export const listPasskeysEndpoint = defineEndpoint({
  path: '/api/auth/passkeys',
  operation: 'listPasskeys',
  summary: 'List the caller’s passkeys',
  auth: own,
  responses: { 200: z.object({ passkeys: z.array(passkeyView) }) },
});

export const renamePasskeyEndpoint = defineEndpoint({
  method: 'PATCH',
  path: '/api/auth/passkeys/{id}',
  operation: 'renamePasskey',
  summary: 'Rename one of the caller’s passkeys',
  auth: own,
  params: passkeyId,
  body: z.strictObject({ name: passkeyName }),
  responses: { 200: passkeyView },
  errors: [passkeyUnknown],
});

export const removePasskeyEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/api/auth/passkeys/{id}',
  operation: 'removePasskey',
  summary: 'Remove one of the caller’s passkeys; every other session ends',
  auth: ownFresh,
  params: passkeyId,
  responses: { 200: signInShape },
  errors: [passkeyUnknown],
});
