import { z } from 'zod';
import { clockWrong, keyRingBehind, signingUnavailable } from '#services/core/keys/errors.ts';
import { revocationStateStale, stateRewound } from '#services/core/revocations/contract.ts';

import { componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { defineError } from '#services/platform/define/error.ts';
import {
  directoryStale,
  originRefused,
  routeUnknown,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import { PAGE } from '../oauth-shapes.ts';

const defineEndpoint = endpointsOf('Console');
const CANNOT_DECIDE = [
  signingUnavailable,
  keyRingBehind,
  revocationStateStale,
  directoryStale,
  stateRewound,
  clockWrong,
  storeUnavailable,
];
const rest = (name: string) => z.strictObject({ [name]: z.string().max(1_024) });

export const consoleNotBuilt = defineError({
  code: 'console_not_built',
  status: 503,
  title: 'The console is not built',
  cause: 'The folder console/dist, which a start from a clone and the image contain, is missing or incomplete.',
  fix: 'Run `npm run generate` in the installation, or leave out the wing `console`.',
  retryable: false,
});

export const consoleFileUnknown = defineError({
  code: 'console_file_unknown',
  status: 404,
  title: 'The console has no such file',
  cause: 'The file is of another version of the console: it was opened before an upgrade.',
  fix: 'Load the page of the console again.',
});

/** The page; it is the same at every address below, and reads the address itself. */
export const openConsoleEndpoint = defineEndpoint({
  path: '/console',
  operation: 'openConsole',
  summary: 'Open the admin console',
  auth: 'public',
  responses: { 200: PAGE, 503: PAGE },
  errors: [consoleNotBuilt],
});

export const openConsolePageEndpoint = defineEndpoint({
  ...openConsoleEndpoint,
  path: '/console/{page}',
  rest: 'page',
  operation: 'openConsolePage',
  summary: 'Open a page of the admin console',
  params: rest('page'),
  errors: [consoleNotBuilt, routeUnknown],
});

/** Names contain a hash of the content. */
export const readConsoleFileEndpoint = defineEndpoint({
  path: '/console/assets/{file}',
  operation: 'readConsoleFile',
  summary: 'Load a script or style of the admin console',
  auth: 'public',
  params: z.strictObject({ file: z.string().max(128) }),
  responses: { 200: { contentType: '*/*' } },
  errors: [consoleFileUnknown],
  cacheControl: null,
});

export const beginConsoleSignInEndpoint = defineEndpoint({
  path: '/console/sign-in',
  operation: 'beginConsoleSignIn',
  summary: 'Begin a sign-in at the admin console',
  auth: 'public',
  limit: 'write',
  query: z.looseObject({
    return: z
      .string()
      .max(2_048)
      .optional()
      .meta({ description: 'The page of the console to return to; its first page for any other address.' }),
    fresh: z.enum(['1']).optional().meta({ description: 'Asks a signed-in user to sign in again (step-up).' }),
  }),
  responses: { 303: null, 503: PAGE },
  errors: [directoryStale],
});

const parameter = z.string().max(4_096).optional();

export const finishConsoleSignInEndpoint = defineEndpoint({
  path: '/console/callback',
  operation: 'finishConsoleSignIn',
  summary: 'Return from the authorization endpoint to the admin console',
  auth: 'public',
  limit: 'token',
  query: z.looseObject({ code: parameter, state: parameter, error: parameter }),
  responses: { 303: null, 400: PAGE, 503: PAGE },
  errors: CANNOT_DECIDE,
});

export const leaveConsoleEndpoint = defineEndpoint({
  method: 'POST',
  path: '/console/sign-out',
  operation: 'leaveConsole',
  summary: 'Sign out of the admin console, and end the session of this browser',
  auth: 'public',
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 204: null },
  errors: [originRefused, ...CANNOT_DECIDE],
});

export const readConsoleSessionEndpoint = defineEndpoint({
  path: '/console/session',
  operation: 'readConsoleSession',
  summary: 'Read who is signed in at the admin console, with which permissions',
  auth: 'public',
  responses: {
    200: z
      .object({
        user_id: z.string(),
        email: z.string().nullable(),
        session_id: z.string().nullable(),
        roles: z.array(z.string()),
        permissions: z.array(z.string()),
        auth_time: z.int().meta({ description: 'Unix seconds of the last sign-in.' }),
        has_two_factors: z.boolean(),
        step_up_seconds: z.int().meta({ description: 'How recent a sign-in acts with a step-up require.' }),
        step_up_needs_second_factor: z.boolean(),
        left_out: z.array(z.string()).meta({ description: 'Wings that the installation does not have.' }),
        brand: z.string(),
        version: z.string(),
        public_url: z.string(),
      })
      .register(componentNames, { id: 'ConsoleSession' }),
  },
  errors: [unauthenticated, originRefused, ...CANNOT_DECIDE],
});

/** The path after `/console/api` is a path of this API; body and answer are those of its operation. */
export const readAsConsoleEndpoint = defineEndpoint({
  path: '/console/api/{path}',
  rest: 'path',
  operation: 'readAsConsole',
  summary: 'Read from this API as the user of the admin console; not a stable interface',
  auth: 'public',
  params: rest('path'),
  // That of the operation, which validates it.
  query: z.looseObject({}),
  responses: { 200: { contentType: '*/*' } },
  errors: [unauthenticated, originRefused, routeUnknown, ...CANNOT_DECIDE],
});

const writes = {
  ...readAsConsoleEndpoint,
  body: z.unknown(),
  bodyOptional: true,
  keepsBytes: 'alone',
  // As much as an operation takes at most; what is less elsewhere, that operation refuses.
  bodyLimit: 16_777_216,
} as const;

export const postAsConsoleEndpoint = defineEndpoint({
  ...writes,
  method: 'POST',
  operation: 'postAsConsole',
  summary: 'Send a POST to this API as the user of the admin console; not a stable interface',
});
export const putAsConsoleEndpoint = defineEndpoint({
  ...writes,
  method: 'PUT',
  operation: 'putAsConsole',
  summary: 'Send a PUT to this API as the user of the admin console; not a stable interface',
});
export const patchAsConsoleEndpoint = defineEndpoint({
  ...writes,
  method: 'PATCH',
  operation: 'patchAsConsole',
  summary: 'Send a PATCH to this API as the user of the admin console; not a stable interface',
});
export const deleteAsConsoleEndpoint = defineEndpoint({
  ...writes,
  method: 'DELETE',
  operation: 'deleteAsConsole',
  summary: 'Send a DELETE to this API as the user of the admin console; not a stable interface',
});
