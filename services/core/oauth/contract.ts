import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { directoryStale, storeUnavailable } from '#services/platform/errors.ts';
import { clientAssertion } from '../access/assertion-shapes.ts';
import { clientKeysBusy, clientKeysUnavailable } from '../access/errors.ts';
import { answerSecondFactorEndpoint } from '../identity/contracts/factors-contract.ts';
import { NO_CONTROLS, signInEndpoint } from '../identity/contracts/sign-in-contract.ts';
import { clockWrong, keyRingBehind, signingUnavailable } from '../keys/errors.ts';
import { stateRewound } from '../revocations/contract.ts';
import { dpopNonceRequired, dpopProofInvalid } from '../tokens/dpop/dpop-errors.ts';
import {
  authorizationDetailsInvalid,
  grantNotAllowed,
  grantTypeUnsupported,
  scopeInvalid,
  targetInvalid,
} from '../tokens/errors.ts';
import {
  refreshGraceSpent,
  refreshTokenExpired,
  refreshTokenInvalid,
  refreshTokenReused,
  resourceForeign,
  scopeExceeded,
  sessionEnded,
} from '../tokens/refresh/refresh-errors.ts';
import {
  actorTokenInvalid,
  authorizationCodeInvalid,
  authReqDenied,
  authReqExpired,
  authReqIdInvalid,
  authReqPending,
  authReqPollsTooFast,
  bindingMessageInvalid,
  certificateUnreadable,
  deviceCodeExpired,
  deviceCodeInvalid,
  deviceGrantDenied,
  deviceGrantPending,
  devicePollsTooFast,
  hintedUserUnknown,
  identityAssertionInvalid,
  openIdScopeMissing,
  openRequestsFull,
  requestObjectUnsupported,
  resourceNotGranted,
  responseTypeUnsupported,
  subjectTokenInvalid,
} from './errors.ts';
import {
  authorizationDetails,
  decision,
  formTokenShape,
  LONGEST,
  optionalParameter,
  PAGE,
  sentForm,
  shownPage,
} from './oauth-shapes.ts';

const defineEndpoint = endpointsOf('OAuth');

export const oauthTokenEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/token',
  operation: 'grantToken',
  summary:
    'Request tokens: codes, device codes, refresh tokens, client credentials, token exchange, identity assertions, approved acts (RFC 6749 §3.2)',
  auth: { accepts: ['client'], optional: true, for: 'anyone', subject: 'none' },
  limit: 'token',
  bodyType: 'form',
  body: z.looseObject({
    grant_type: z.string().max(128),
    code: optionalParameter(512),
    redirect_uri: optionalParameter(2_048),
    code_verifier: optionalParameter(512),
    device_code: optionalParameter(512),
    subject_token: optionalParameter(8_192),
    subject_token_type: optionalParameter(128),
    requested_token_type: optionalParameter(128),
    actor_token: optionalParameter(8_192),
    actor_token_type: optionalParameter(128),
    assertion: optionalParameter(8_192),
    auth_req_id: optionalParameter(512),
    refresh_token: optionalParameter(8_192),
    scope: optionalParameter(2_048),
    resource: optionalParameter(512),
    authorization_details: authorizationDetails,
    audience: optionalParameter(512),
    client_id: optionalParameter(255),
    client_secret: optionalParameter(512),
    ...clientAssertion,
  }),
  // A token in the URL would appear in logs (RFC 9700 §4.3).
  responses: {
    200: z.object({
      access_token: z.string(),
      token_type: z.enum(['Bearer', 'DPoP', 'N_A']),
      expires_in: z.int(),
      scope: z.string(),
      authorization_details: z.array(z.looseObject({ type: z.string() })).optional(),
      refresh_token: z.string().optional(),
      refresh_expires_in: z.int().optional(),
      id_token: z.string().optional(),
      issued_token_type: z.string().optional(),
    }),
  },
  errors: [
    clientKeysBusy,
    clientKeysUnavailable,
    grantTypeUnsupported,
    grantNotAllowed,
    authorizationCodeInvalid,
    deviceGrantPending,
    devicePollsTooFast,
    deviceGrantDenied,
    deviceCodeExpired,
    deviceCodeInvalid,
    authReqPending,
    authReqPollsTooFast,
    authReqDenied,
    authReqExpired,
    authReqIdInvalid,
    subjectTokenInvalid,
    actorTokenInvalid,
    identityAssertionInvalid,
    dpopProofInvalid,
    dpopNonceRequired,
    certificateUnreadable,
    scopeInvalid,
    scopeExceeded,
    targetInvalid,
    authorizationDetailsInvalid,
    resourceForeign,
    resourceNotGranted,
    refreshTokenReused,
    refreshTokenExpired,
    refreshTokenInvalid,
    sessionEnded,
    refreshGraceSpent,
    keyRingBehind,
    signingUnavailable,
    clockWrong,
    stateRewound,
    storeUnavailable,
  ],
  oauthErrors: true,
});

/** Documents a parameter without validating it. */
const read = (description: string) => z.unknown().optional().meta({ description });

/** The use-case parses the query: errors in parameters are answered as RFC 6749 §4.1.2.1 requires. */
export const authorizeEndpoint = defineEndpoint({
  ...shownPage,
  path: '/oauth2/authorize',
  operation: 'authorize',
  summary: 'Authorize a client: shows a page, or sends code, state and iss to it (RFC 6749 §4.1, RFC 9207)',
  query: z.looseObject({
    client_id: read('The client id, or the URL of the client’s metadata document.'),
    request_uri: read('The request_uri from POST /oauth2/par, which replaces the other parameters (RFC 9126 §4).'),
    response_type: read('Must be `code`.'),
    redirect_uri: read('Where to send the response; must equal a registered URI byte for byte.'),
    scope: read('Scopes separated by spaces; `openid` for an ID token.'),
    state: read('Opaque value that is returned to the client unchanged.'),
    nonce: read('Value that is returned in the ID token.'),
    code_challenge: read('SHA-256 of the verifier, base64url (RFC 7636 §4.2).'),
    code_challenge_method: read('Must be `S256`.'),
    response_mode: read(
      '`query` (the default) or `form_post`, a page that posts the response to the redirect URI (OAuth 2.0 Form Post Response Mode).',
    ),
    prompt: read('`none`, `login`, `consent`, `select_account` (OpenID Connect Core §3.1.2.1).'),
    max_age: read('Maximum age of the sign-in in seconds.'),
    login_hint: read('The email address to fill in on the sign-in page.'),
    id_token_hint: read(
      'An ID token of this client; if another user is signed in, the user must sign in, or `login_required` is returned with `prompt=none`.',
    ),
    acr_values: read(
      'Accepted and without effect: a sign-in uses every factor that the account has, and `acr` in the ID token names the level reached.',
    ),
    claims: read(
      'Claims for the ID token and for UserInfo, as JSON (OpenID Connect Core §5.5). A requested claim adds the scope that releases it.',
    ),
    resource: read('The audience of the token (RFC 8707).'),
    authorization_details: read(
      'What the client wants to do, as a JSON array of objects with a `type` each; the `resource` is the application that declares the types (RFC 9396).',
    ),
    dpop_jkt: read('Thumbprint of the key to bind the code to (RFC 9449 §10).'),
  }),
  responses: { 200: PAGE, 303: null, 400: PAGE, 403: PAGE },
  errors: [stateRewound, storeUnavailable, directoryStale],
});

/** OpenID Connect Core §3.1.2.1 requires both methods; the form has the same parameters as the URL. */
export const sendAuthorizationEndpoint = defineEndpoint({
  ...sentForm,
  path: '/oauth2/authorize',
  operation: 'sendAuthorization',
  summary: 'Authorize a client by POST: redirects to the GET, so that the browser sends its cookies',
  limit: 'read',
  bodyLimit: 16_384,
  body: z.looseObject({}),
  responses: { 303: null, 400: PAGE },
  errors: [],
});

export const pushAuthorizationRequestEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/par',
  operation: 'pushAuthorizationRequest',
  summary: 'Push an authorization request; the browser then sends the returned request_uri (RFC 9126)',
  auth: { accepts: ['client'], optional: true, for: 'anyone', subject: 'none' },
  bodyType: 'form',
  body: z.looseObject({
    ...Object.fromEntries(Object.entries(LONGEST).map(([name, longest]) => [name, optionalParameter(longest)])),
    authorization_details: authorizationDetails,
    client_secret: optionalParameter(512),
    ...clientAssertion,
  }),
  responses: { 201: z.object({ request_uri: z.string(), expires_in: z.int() }) },
  errors: [
    clientKeysBusy,
    clientKeysUnavailable,
    grantNotAllowed,
    responseTypeUnsupported,
    requestObjectUnsupported,
    scopeInvalid,
    targetInvalid,
    authorizationDetailsInvalid,
    dpopProofInvalid,
    dpopNonceRequired,
    openRequestsFull,
    stateRewound,
    storeUnavailable,
  ],
  oauthErrors: true,
});

/** A form field that may be repeated: a string if sent once, otherwise a list. */
const several = (maximum: number, most: number) =>
  z.union([z.string().max(maximum), z.array(z.string().max(maximum)).max(most)]).optional();

export const decideConsentEndpoint = defineEndpoint({
  ...sentForm,
  path: '/oauth2/consent',
  operation: 'decideConsent',
  summary: 'Submit the consent page',
  limit: 'write',
  body: z.strictObject({
    form_token: formTokenShape,
    request: z.string().max(8_192),
    decision,
    scope: several(256, 100),
  }),
  errors: [stateRewound, storeUnavailable, directoryStale],
});

const next = z.string().max(8_192);

export const showLoginEndpoint = defineEndpoint({
  ...shownPage,
  path: '/login',
  operation: 'showLogin',
  summary: 'Open the sign-in page, which works without scripts',
  query: z.looseObject({
    next: next.optional(),
    another: z.literal('1').optional().meta({ description: 'To sign in with another account.' }),
  }),
  errors: [storeUnavailable],
});

export const sendLoginEndpoint = defineEndpoint({
  ...sentForm,
  path: '/login',
  operation: 'sendLogin',
  summary: 'Submit the sign-in page: redirects to `next`, or shows the page again',
  body: z.strictObject({
    form_token: formTokenShape,
    next,
    email: z.string().max(254).regex(NO_CONTROLS),
    password: z.string().max(4_096),
  }),
  errors: [...signInEndpoint.errors, stateRewound, storeUnavailable],
});

export const sendLoginCodeEndpoint = defineEndpoint({
  ...sendLoginEndpoint,
  path: '/login/code',
  operation: 'sendLoginCode',
  summary: 'Submit a second factor on the sign-in page: an authenticator code or a recovery code',
  body: z.strictObject({
    form_token: formTokenShape,
    next,
    challenge: z.string().max(256),
    code: z.string().max(64),
    /** The factors of the account, for the page to ask for them again. */
    factors: z.string().max(64).optional(),
  }),
  errors: [...answerSecondFactorEndpoint.errors, stateRewound, storeUnavailable],
});

export const userInfo = component('UserInfo', {
  sub: z.string(),
  email: z.string().optional(),
  email_verified: z.boolean().optional(),
  name: z.string().optional(),
  picture: z.string().optional(),
  updated_at: z.int().optional(),
});

export const readUserInfoEndpoint = defineEndpoint({
  path: '/oauth2/userinfo',
  operation: 'readUserInfo',
  summary: 'Get the claims of the user (OpenID Connect Core §5.3)',
  auth: { accepts: ['bearer'], for: 'user', subject: 'own' },
  limit: 'read',
  responses: { 200: userInfo },
  errors: [openIdScopeMissing, stateRewound, storeUnavailable],
});

/** Only the header may carry the token, not the form (RFC 6750 §2.2 leaves that to the resource). */
export const sendUserInfoEndpoint = defineEndpoint({
  ...readUserInfoEndpoint,
  method: 'POST',
  path: '/oauth2/userinfo',
  operation: 'sendUserInfo',
  summary: 'Get the claims of the user by POST',
  bodyType: 'form',
  body: z.looseObject({}),
  bodyOptional: true,
});

/** OpenID Connect CIBA Core §7.1, of the wing that has people decide: it adds who may ask, and its own errors. */
export const backchannelParts = {
  bodyType: 'form',
  body: z.object({
    scope: optionalParameter(2_048),
    resource: optionalParameter(512),
    /** Id or email address of the owner of the agent. */
    login_hint: optionalParameter(254),
    /** An ID token of the agent, which names its owner. */
    id_token_hint: optionalParameter(8_192),
    login_hint_token: optionalParameter(8_192),
    /** Exactly one detail: `{"type":"sallyport_act","act":…,"arguments":…}`. */
    authorization_details: authorizationDetails,
    /** What the people who decide read first; up to 256 visible characters. */
    binding_message: z.string().max(4_096).optional(),
    /** Seconds; at most as the policy of the act says. */
    requested_expiry: optionalParameter(10),
    /** Bearer token of the ping, for a client with an address for pings. */
    client_notification_token: optionalParameter(1_024),
    request: optionalParameter(8_192),
    client_id: optionalParameter(255),
    client_secret: optionalParameter(512),
    ...clientAssertion,
  }),
  responses: {
    200: z.object({
      auth_req_id: z.string(),
      expires_in: z.int(),
      interval: z.int(),
      /** The sign-off, to start the act. */
      signoff_id: z.string(),
    }),
  },
  errors: [
    clientKeysBusy,
    clientKeysUnavailable,
    grantNotAllowed,
    scopeInvalid,
    targetInvalid,
    requestObjectUnsupported,
    authorizationDetailsInvalid,
    hintedUserUnknown,
    bindingMessageInvalid,
    storeUnavailable,
  ],
  oauthErrors: true,
} as const;
