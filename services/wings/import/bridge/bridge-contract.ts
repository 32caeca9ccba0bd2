import { z } from 'zod';
import { emailUnverified } from '#services/core/identity/contracts/account-errors.ts';
import { signInShape } from '#services/core/identity/contracts/sign-in-contract.ts';
import { sessionSteppedUp } from '#services/core/identity/contracts/sign-in-errors.ts';
import { callbackRefused } from '#services/core/identity/contracts/social-errors.ts';
import { signingUnavailable } from '#services/core/keys/errors.ts';
import { formTokenShape, PAGE } from '#services/core/oauth/oauth-shapes.ts';
import { sessionEnded } from '#services/core/tokens/refresh/refresh-errors.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, originRefused, secondFactorRequired, storeUnavailable } from '#services/platform/errors.ts';
import {
  legacyKeysUnavailable,
  legacyNotConfigured,
  legacyTokenBound,
  legacyTokenRefusals,
  legacyWebhookForged,
} from './legacy-errors.ts';

const defineEndpoint = endpointsOf('Migration');

/** What a token of the old provider can be refused for. */
const LEGACY_REFUSALS = [...legacyTokenRefusals.map(([error]) => error), legacyNotConfigured, legacyKeysUnavailable];

export const exchangeLegacySessionEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/legacy/sessions',
  operation: 'exchangeLegacySession',
  summary: 'Exchange a live session of the old provider for a session and a token pair here',
  auth: 'public',
  limit: 'credential',
  /** A session or access token of LEGACY_ISSUER. */
  body: z.strictObject({ token: z.string().min(1).max(8_192) }),
  responses: { 200: signInShape },
  errors: [
    ...LEGACY_REFUSALS,
    legacyTokenBound,
    secondFactorRequired,
    sessionSteppedUp,
    emailUnverified,
    sessionEnded,
    originRefused,
    signingUnavailable,
    storeUnavailable,
    directoryStale,
  ],
});

export const receiveLegacyWebhookEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/legacy/webhook',
  operation: 'receiveLegacyWebhook',
  summary: 'Receive an event of the old provider, signed with LEGACY_WEBHOOK_SECRET',
  auth: 'public',
  limit: 'validate',
  keepsBytes: true,
  body: z.looseObject({ type: z.string().min(1).max(128), data: z.looseObject({}) }),
  responses: { 202: z.object({ status: z.enum(['accepted', 'duplicate', 'ignored']) }) },
  errors: [legacyWebhookForged, legacyNotConfigured, storeUnavailable],
});

const returnTo = z.string().max(2_048);

export const showBridgeEndpoint = defineEndpoint({
  path: '/bridge',
  operation: 'showBridge',
  summary: 'Open the page that carries the session of a token in its fragment over, and returns to `return_to`',
  auth: 'public',
  query: z.looseObject({ return_to: returnTo.optional() }),
  responses: { 200: PAGE, 400: PAGE },
  errors: [callbackRefused, storeUnavailable],
});

export const sendBridgeEndpoint = defineEndpoint({
  method: 'POST',
  path: '/bridge',
  operation: 'sendBridge',
  summary:
    'Submit that page, or a form of a page in CORS_ORIGINS: carries the session over and redirects to `return_to`',
  auth: 'public',
  limit: 'credential',
  bodyType: 'form',
  body: z.strictObject({
    token: z.string().max(8_192),
    return_to: returnTo.optional(),
    form_token: formTokenShape.optional(),
  }),
  responses: { 200: PAGE, 303: null, 400: PAGE, 401: PAGE, 403: PAGE, 404: PAGE },
  errors: [...exchangeLegacySessionEndpoint.errors, callbackRefused],
});
