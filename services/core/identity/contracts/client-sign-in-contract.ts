import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { secondFactorRequired, storeUnavailable } from '#services/platform/errors.ts';
import { clientLiveSessionShape, clientSignInShape, returnTo } from './client-shapes.ts';
import {
  emailShape,
  nameShape,
  passwordShape,
  readSessionEndpoint,
  signInEndpoint,
  signOutEndpoint,
  signUpEndpoint,
} from './sign-in-contract.ts';
import { callbackRefused } from './social-errors.ts';

/** Sign-up, sign-in, sign-out and session under the names of Better Auth, in the shapes of its client. */

/** A session has the lifetime that the operator chose, so `rememberMe` is accepted and has no effect. */
const rememberMe = z.boolean().optional();
const email = emailShape;
const password = passwordShape;
const callbackURL = returnTo.optional();

export const signUpEmailEndpoint = defineEndpoint({
  ...signUpEndpoint,
  path: '/api/auth/sign-up/email',
  operation: 'signUpEmail',
  body: z.strictObject({
    email,
    password,
    name: nameShape.optional(),
    callbackURL,
    rememberMe,
    /** Accepted and ignored: the owner of a verified address sets a picture. */
    image: z.string().max(2_048).nullable().optional(),
  }),
  responses: {
    201: clientSignInShape,
    200: z.object({ status: z.literal('verification_required'), token: z.null(), user: z.null() }),
  },
  errors: [...signUpEndpoint.errors, callbackRefused],
});

const twoFactorRedirect = component('TwoFactorRedirect', {
  twoFactorRedirect: z.literal(true),
  twoFactorMethods: z.array(z.string()),
  challenge: z.string(),
  factors: z.array(z.string()),
});

export type TwoFactorRedirect = z.output<typeof twoFactorRedirect>;

export const signInEmailEndpoint = defineEndpoint({
  ...signInEndpoint,
  path: '/api/auth/sign-in/email',
  operation: 'signInEmail',
  summary: 'Exchange e-mail and password for a session and a token pair, or for the request for a second factor',
  body: z.strictObject({ email, password, callbackURL, rememberMe }),
  responses: {
    200: z.union([clientSignInShape.extend({ redirect: z.boolean(), url: z.string().optional() }), twoFactorRedirect]),
  },
  errors: [...signInEndpoint.errors.filter((each) => each !== secondFactorRequired), callbackRefused],
});

export const signOutAliasEndpoint = defineEndpoint({
  ...signOutEndpoint,
  path: '/api/auth/sign-out',
  operation: 'signOutAlias',
  summary: 'End the session, if there is one, with its token families and access tokens',
  auth: { accepts: ['session'], optional: true, for: 'person', subject: 'own' },
  // Better Auth's client sends these for the sign-out at another provider, which ours does not do.
  body: z.strictObject({ callbackURL, disableRedirect: z.boolean().optional(), state: z.string().max(512).optional() }),
  errors: [],
});

const flag = z.string().max(8).optional();

export const getSessionEndpoint = defineEndpoint({
  ...readSessionEndpoint,
  path: '/api/auth/get-session',
  operation: 'getSession',
  summary: 'Read the same for Better Auth’s client: null without a session, and the members that the client adds',
  query: z.strictObject({ disableCookieCache: flag, disableRefresh: flag }),
  responses: { 200: clientLiveSessionShape.nullable() },
  errors: [storeUnavailable],
});
