import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { clientPasskeyShape, clientSignInShape, done } from './client-shapes.ts';
import { assertion, own, ownFresh, TAG } from './factors-shapes.ts';
import {
  askForPasskeyEndpoint,
  attestation,
  passkeyName,
  preparePasskeyEndpoint,
  registerPasskeyEndpoint,
  removePasskeyEndpoint,
  renamePasskeyEndpoint,
  signInWithPasskeyEndpoint,
} from './passkeys-contract.ts';

const defineEndpoint = endpointsOf(TAG);

/** Passkeys under the names of Better Auth's plugin. A cookie carries the challenge between two calls. */

/** The plugin's client leaves this member out. */
const unextended = { clientExtensionResults: z.record(z.string().max(64), z.unknown()).optional() };
const options = z.record(z.string(), z.unknown());
const id = z.string().regex(/^[\w-]{1,64}$/);

export const prepareClientPasskeyEndpoint = defineEndpoint({
  path: '/api/auth/passkey/generate-register-options',
  operation: 'prepareClientPasskey',
  summary: 'Get the options for navigator.credentials.create (WebAuthn §5.4); a cookie keeps the challenge',
  auth: ownFresh,
  limit: 'write',
  query: z.strictObject({
    authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional(),
    /** The name comes with the registration; the options name the account by its address. */
    name: passkeyName.optional(),
    context: z.string().max(256).optional(),
  }),
  responses: { 200: options },
  errors: preparePasskeyEndpoint.errors,
});

export const registerClientPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/verify-registration',
  operation: 'registerClientPasskey',
  summary: 'Register a new passkey; the first factor of an account comes with recovery codes',
  auth: ownFresh,
  limit: 'credential',
  // A new session always replaces the caller's.
  body: z.strictObject({
    response: attestation.extend(unextended),
    name: passkeyName.optional(),
    createSession: z.boolean().optional(),
  }),
  responses: {
    200: clientSignInShape.extend({ ...clientPasskeyShape.shape, backupCodes: z.array(z.string()).nullable() }),
  },
  errors: registerPasskeyEndpoint.errors,
});

export const askForClientPasskeyEndpoint = defineEndpoint({
  path: '/api/auth/passkey/generate-authenticate-options',
  operation: 'askForClientPasskey',
  summary: 'Get the options for navigator.credentials.get (WebAuthn §5.5); a cookie keeps the challenge',
  auth: 'public',
  limit: 'write',
  responses: { 200: options },
  errors: askForPasskeyEndpoint.errors,
});

export const signInWithClientPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/verify-authentication',
  operation: 'signInWithClientPasskey',
  summary: 'Sign in with a passkey, for a two-factor session and a token pair',
  auth: 'public',
  limit: 'credential',
  body: z.strictObject({ response: assertion.extend(unextended) }),
  responses: { 200: clientSignInShape },
  errors: signInWithPasskeyEndpoint.errors,
});

export const listClientPasskeysEndpoint = defineEndpoint({
  path: '/api/auth/passkey/list-user-passkeys',
  operation: 'listClientPasskeys',
  summary: 'List the caller’s passkeys, as Better Auth’s client expects them',
  auth: own,
  responses: { 200: z.array(clientPasskeyShape) },
});

export const renameClientPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/update-passkey',
  operation: 'renameClientPasskey',
  summary: 'Rename one of the caller’s passkeys',
  auth: own,
  body: z.strictObject({ id, name: passkeyName }),
  responses: { 200: z.object({ passkey: clientPasskeyShape }) },
  errors: renamePasskeyEndpoint.errors,
});

export const removeClientPasskeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/passkey/delete-passkey',
  operation: 'removeClientPasskey',
  summary: 'Remove one of the caller’s passkeys; every other session ends',
  auth: ownFresh,
  limit: 'credential',
  body: z.strictObject({ id }),
  responses: { 200: clientSignInShape.extend(done.shape) },
  errors: removePasskeyEndpoint.errors,
});
