import { z } from 'zod';
import { stateRewound } from '#services/core/revocations/contract.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, storeUnavailable } from '#services/platform/errors.ts';
import { formTokenShape, PAGE, sentForm, shownPage } from '../oauth-shapes.ts';

const defineEndpoint = endpointsOf('OAuth');
const parameter = (maximum: number, description: string) => z.string().max(maximum).optional().meta({ description });

/** RP-Initiated Logout §2; other parameters (`logout_hint`, `ui_locales`) are ignored. */
const request = {
  id_token_hint: parameter(
    8_192,
    'The ID token of the session to end. If it is sent, the user is not asked to confirm.',
  ),
  client_id: parameter(255, 'The client id, if there is no ID token.'),
  post_logout_redirect_uri: parameter(2_048, 'Where to redirect afterwards; must be registered for the client.'),
  state: parameter(4_096, 'Opaque value that is returned to the client unchanged.'),
};

export const signOutForClientEndpoint = defineEndpoint({
  ...shownPage,
  path: '/oauth2/end_session',
  operation: 'signOutForClient',
  summary: 'Sign out and return to the client (OpenID Connect RP-Initiated Logout)',
  limit: 'write',
  query: z.looseObject(request),
  errors: [stateRewound, storeUnavailable, directoryStale],
});

export const sendSignOutForClientEndpoint = defineEndpoint({
  ...sentForm,
  path: '/oauth2/end_session',
  operation: 'sendSignOutForClient',
  summary: 'Sign out by POST, which keeps the ID token out of the URL',
  limit: 'write',
  bodyLimit: 32_768,
  body: z.looseObject(request),
  responses: { 200: PAGE, 303: null, 400: PAGE },
  errors: [stateRewound, storeUnavailable, directoryStale],
});

export const confirmSignOutEndpoint = defineEndpoint({
  ...sentForm,
  path: '/oauth2/end_session/confirm',
  operation: 'confirmSignOut',
  summary: 'Confirm the sign-out page',
  limit: 'write',
  body: z.strictObject({
    form_token: formTokenShape,
    client_id: z.string().max(255),
    post_logout_redirect_uri: z.string().max(2_048),
    state: z.string().max(4_096),
  }),
  errors: [stateRewound, storeUnavailable, directoryStale],
});
