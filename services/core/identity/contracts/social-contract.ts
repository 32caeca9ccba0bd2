import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, originRefused, secondFactorRequired, storeUnavailable } from '#services/platform/errors.ts';
import { done } from './client-shapes.ts';
import { signInShape } from './sign-in-contract.ts';
import { loginLocked, loginRefused } from './sign-in-errors.ts';
import {
  callbackRefused,
  lastWayIn,
  linkedAccountUnknown,
  socialAccountTaken,
  socialEmailUnproven,
  socialProviderUnavailable,
  socialProviderUnknown,
  socialSignInRefused,
} from './social-errors.ts';

const defineEndpoint = endpointsOf('Users and sessions');
const provider = z.string().max(32);
const start = z.strictObject({
  provider,
  callbackURL: z.string().max(2_048).optional(),
  /** True if the caller follows `url` itself: Better Auth's client then does not. */
  disableRedirect: z.boolean().optional(),
});
const started = z.object({ url: z.string(), redirect: z.boolean() });
const startErrors = [
  socialProviderUnknown,
  socialProviderUnavailable,
  callbackRefused,
  originRefused,
  storeUnavailable,
];

export const listSocialProvidersEndpoint = defineEndpoint({
  path: '/api/auth/social-providers',
  operation: 'listSocialProviders',
  summary: 'List the providers that users can sign in with',
  auth: 'public',
  responses: { 200: z.object({ providers: z.array(z.string()) }) },
});

export const signInSocialEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/sign-in/social',
  operation: 'signInSocial',
  summary: 'Start a sign-in with another provider and get the address to redirect the browser to',
  auth: 'public',
  limit: 'credential',
  body: start,
  responses: { 200: started },
  errors: startErrors,
});

export const linkSocialEndpoint = defineEndpoint({
  ...signInSocialEndpoint,
  path: '/api/auth/link-social',
  operation: 'linkSocial',
  summary: 'Start linking an account at another provider and get the address to redirect the browser to',
  auth: { accepts: ['session'], for: 'person', subject: 'own', stepUp: true },
  errors: startErrors,
});

/** Providers add other members, which are ignored. */
const answer = z.looseObject({
  state: z.string().min(1).max(128),
  code: z.string().min(1).max(4_096).optional(),
  error: z.string().max(256).optional(),
  /** RFC 9207 */
  iss: z.string().max(512).optional(),
});

export const socialCallbackEndpoint = defineEndpoint({
  path: '/api/auth/callback/{provider}',
  operation: 'handleSocialCallback',
  summary: 'Complete a sign-in or link an account when the provider redirects back',
  auth: 'public',
  limit: 'credential',
  params: z.strictObject({ provider }),
  query: answer,
  responses: {
    200: z.union([signInShape.extend({ isNewUser: z.boolean() }), z.object({ linked: z.literal(true) })]),
    303: null,
    /** Browsers get a page: the error, or the form for the second factor. */
    400: { contentType: 'text/html; charset=utf-8' },
  },
  errors: [
    socialSignInRefused,
    secondFactorRequired,
    loginRefused,
    loginLocked,
    socialEmailUnproven,
    socialProviderUnknown,
    socialAccountTaken,
    socialProviderUnavailable,
    storeUnavailable,
    directoryStale,
  ],
});

/** `response_mode=form_post`, as Apple answers: a cross-site POST carries none of our cookies. */
export const socialCallbackFormEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/callback/{provider}',
  operation: 'receiveSocialCallback',
  summary: 'Redirect a provider’s form_post answer to the GET of this path, which verifies the state',
  auth: 'public',
  limit: 'credential',
  params: z.strictObject({ provider }),
  body: answer,
  bodyType: 'form',
  responses: { 303: null },
  errors: [socialProviderUnknown],
});

const linkedAccount = z.object({
  id: z.string(),
  providerId: z.string(),
  accountId: z.string(),
  userId: z.string(),
  scopes: z.array(z.string()),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type LinkedAccountView = z.output<typeof linkedAccount>;

export const listAccountsEndpoint = defineEndpoint({
  path: '/api/auth/list-accounts',
  operation: 'listLinkedAccounts',
  summary: 'List the caller’s sign-in methods except passkeys; `credential` is the password',
  auth: { accepts: ['session', 'bearer'], for: 'person', subject: 'own' },
  responses: { 200: z.array(linkedAccount) },
});

export const unlinkAccountEndpoint = defineEndpoint({
  method: 'POST',
  path: '/api/auth/unlink-account',
  operation: 'unlinkAccount',
  summary: 'Unlink an account at another provider',
  auth: { accepts: ['session', 'bearer'], for: 'person', subject: 'own', stepUp: true },
  body: z.union([
    z.strictObject({ providerId: provider, accountId: z.string().max(255).optional() }),
    // Better Auth's client sends the `id` of the list as `accountId`.
    z.strictObject({ accountId: z.string().max(255) }),
  ]),
  responses: { 200: done },
  errors: [linkedAccountUnknown, lastWayIn],
});
