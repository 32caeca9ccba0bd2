import { z } from 'zod';
import { clientAssertion } from '#services/core/access/assertion-shapes.ts';
import { clientKeysBusy, clientKeysUnavailable } from '#services/core/access/errors.ts';
import { stateRewound } from '#services/core/revocations/contract.ts';
import {
  authorizationDetailsInvalid,
  grantNotAllowed,
  scopeInvalid,
  targetInvalid,
} from '#services/core/tokens/errors.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, storeUnavailable } from '#services/platform/errors.ts';
import { openRequestsFull } from '../errors.ts';
import {
  authorizationDetails,
  decision,
  formTokenShape,
  optionalParameter,
  sentForm,
  shownPage,
} from '../oauth-shapes.ts';

const defineEndpoint = endpointsOf('OAuth');

export const beginDeviceGrantEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/device_authorization',
  operation: 'beginDeviceGrant',
  summary: 'Start a device grant: returns a device code, and a user code for the user to enter (RFC 8628 §3.1)',
  auth: { accepts: ['client'], optional: true, for: 'anyone', subject: 'none' },
  bodyType: 'form',
  body: z.looseObject({
    scope: optionalParameter(2_048),
    resource: optionalParameter(512),
    authorization_details: authorizationDetails,
    client_id: optionalParameter(255),
    client_secret: optionalParameter(512),
    ...clientAssertion,
  }),
  responses: {
    200: z.object({
      device_code: z.string(),
      user_code: z.string(),
      verification_uri: z.string(),
      verification_uri_complete: z.string(),
      expires_in: z.int(),
      interval: z.int(),
    }),
  },
  errors: [
    clientKeysBusy,
    clientKeysUnavailable,
    grantNotAllowed,
    scopeInvalid,
    targetInvalid,
    authorizationDetailsInvalid,
    openRequestsFull,
    stateRewound,
    storeUnavailable,
  ],
  oauthErrors: true,
});

export const showDeviceGrantEndpoint = defineEndpoint({
  ...shownPage,
  path: '/device',
  operation: 'showDeviceGrant',
  summary: 'Open the page on which a user enters the code of a device (RFC 8628 §3.3)',
  limit: 'credential',
  query: z.looseObject({ user_code: z.string().max(32).optional() }),
  errors: [stateRewound, storeUnavailable, directoryStale],
});

export const answerDeviceGrantEndpoint = defineEndpoint({
  ...sentForm,
  path: '/device',
  operation: 'answerDeviceGrant',
  summary: 'Allow or deny a device',
  body: z.strictObject({ form_token: formTokenShape, user_code: z.string().max(32), decision }),
  errors: [stateRewound, storeUnavailable, directoryStale],
});
