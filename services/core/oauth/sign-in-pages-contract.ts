import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { signInWithPasskeyEndpoint } from '../identity/contracts/passkeys-contract.ts';
import { signInSocialEndpoint } from '../identity/contracts/social-contract.ts';
import { stateRewound } from '../revocations/contract.ts';
import { formTokenShape, PAGE, sentForm, shownPage } from './oauth-shapes.ts';

const defineEndpoint = endpointsOf('OAuth');
const next = z.string().max(8_192);

export const readPasskeyScriptEndpoint = defineEndpoint({
  ...shownPage,
  path: '/login/passkey.js',
  operation: 'readPasskeyScript',
  summary: 'Load the script of the sign-in page that signs in with passkeys',
  responses: { 200: { contentType: 'text/javascript; charset=utf-8' } },
  errors: [],
});

export const sendPasskeyEndpoint = defineEndpoint({
  ...sentForm,
  path: '/login/passkey',
  operation: 'sendPasskey',
  summary: 'Submit a passkey on the sign-in page: redirects to `next`, or shows the page again',
  body: z.strictObject({
    form_token: formTokenShape,
    next,
    challenge: z.string().max(256),
    /** JSON of the assertion (WebAuthn §5.1). */
    response: z.string().max(24_576),
  }),
  errors: [...signInWithPasskeyEndpoint.errors, stateRewound, storeUnavailable],
});

export const sendProviderEndpoint = defineEndpoint({
  ...sentForm,
  path: '/login/provider',
  operation: 'sendProvider',
  summary: 'Choose a social provider on the sign-in page: shows a page that redirects there, or the sign-in page again',
  body: z.strictObject({ form_token: formTokenShape, next, provider: z.string().max(32) }),
  responses: { 200: PAGE, 400: PAGE, 403: PAGE },
  errors: signInSocialEndpoint.errors,
});

export const sendSignOutEndpoint = defineEndpoint({
  ...sentForm,
  path: '/logout',
  operation: 'sendSignOut',
  summary: 'Sign out on our pages: ends the session and its tokens, then shows the sign-in page',
  limit: 'write',
  body: z.strictObject({ form_token: formTokenShape }),
  responses: { 303: null, 400: PAGE, 403: PAGE },
  errors: [stateRewound, storeUnavailable],
});
