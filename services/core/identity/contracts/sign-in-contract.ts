import { z } from 'zod';
import { tokenPair } from '#services/core/tokens/contract.ts';
import { sessionEnded } from '#services/core/tokens/refresh/refresh-errors.ts';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { asciiDomain } from '#services/platform/define/email.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import {
  directoryStale,
  originRefused,
  secondFactorRequired,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import { emailUnverified } from './account-errors.ts';
import { passwordErrors } from './password-errors.ts';
import { emailTaken, hashingBusy, loginLocked, loginRefused } from './sign-in-errors.ts';

// RFC 5321 §4.5.3.1 allows 254 characters for an address and 64 before the @.
export const emailShape = z
  .string()
  .overwrite(asciiDomain)
  .email()
  .max(254)
  .regex(/^[^@]{1,64}@/);
// Only bounds the input; the password policy answers with error codes of its own.
export const passwordShape = z.string().max(4_096);
/** PostgreSQL stores neither NUL nor halves of surrogate pairs. */
export const NO_CONTROLS = /^[^\p{Cc}\p{Cs}]*$/u;
export const nameShape = z.string().max(128).regex(NO_CONTROLS);

export const userShape = component('User', {
  id: z.string(),
  email: z.string(),
  emailVerified: z.boolean(),
  name: z.string().nullable(),
  image: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

/** Better Auth's session without its token, which only the cookie carries. */
export const sessionShape = component('Session', {
  id: z.string(),
  userId: z.string(),
  expiresAt: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
});

export const signInShape = z
  .object({ user: userShape, session: sessionShape, tokens: tokenPair })
  .register(componentNames, { id: 'SignIn' });
const sessionAnswer = z.object({ user: userShape, session: sessionShape });

const verificationRequired = z
  .object({ status: z.literal('verification_required') })
  .register(componentNames, { id: 'VerificationRequired' });

export type UserView = z.output<typeof userShape>;
export type SessionView = z.output<typeof sessionShape>;
export type SignInView = z.output<typeof signInShape>;

const defineEndpoint = endpointsOf('Users and sessions');

const signUpBody = z.strictObject({ email: emailShape, password: passwordShape, name: nameShape.optional() });
const signInBody = z.strictObject({ email: emailShape, password: passwordShape });

export const signUpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/signup',
  operation: 'signUp',
  summary: 'Create an account, a session and a token pair',
  auth: 'public',
  limit: 'credential',
  body: signUpBody,
  idempotency: 'use_case',
  // 200 if addresses must be verified first; the response is the same for new and known addresses.
  responses: { 201: signInShape, 200: verificationRequired },
  errors: [...passwordErrors, emailTaken, sessionEnded, originRefused, hashingBusy, storeUnavailable, directoryStale],
});

export const signInEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/signin',
  operation: 'signIn',
  summary: 'Exchange e-mail and password for a session and a token pair',
  auth: 'public',
  limit: 'credential',
  body: signInBody,
  responses: { 200: signInShape },
  errors: [
    secondFactorRequired,
    loginRefused,
    emailUnverified,
    loginLocked,
    originRefused,
    hashingBusy,
    storeUnavailable,
    directoryStale,
  ],
});

export const signOutEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/signout',
  operation: 'signOut',
  summary: 'End the session with its token families and access tokens',
  auth: { accepts: ['session'], for: 'person', subject: 'own' },
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: z.object({ success: z.literal(true) }) },
});

export const readSessionEndpoint = defineEndpoint({
  path: '/api/auth/session',
  operation: 'readSession',
  summary: 'Read the user and session of the cookie; 401 without a session',
  auth: 'public',
  responses: { 200: sessionAnswer },
  errors: [unauthenticated, storeUnavailable, directoryStale],
});
