import { z } from 'zod';
import { formTokenShape, PAGE, sentForm, shownPage } from '#services/core/oauth/oauth-shapes.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { permissionMissing, stepUpRequired, storeUnavailable, unauthenticated } from '#services/platform/errors.ts';
import { approveSignOffEndpoint } from './contract.ts';
import { signOffUnknown } from './errors.ts';
import { COMMENT_LENGTH_MAX, DECISIONS, SIGNOFF_ROLES } from './signoff-shapes.ts';

const defineEndpoint = endpointsOf('Sign-off');
const ofSignOff = z.strictObject({ signoff_id: z.uuid() });

export const showSignOffsEndpoint = defineEndpoint({
  ...shownPage,
  path: '/signoff',
  operation: 'showSignOffs',
  summary: 'Open the page that lists the acts that wait for approval',
  responses: { 200: PAGE, 303: null, 403: PAGE },
  errors: [permissionMissing, storeUnavailable],
});

export const showSignOffEndpoint = defineEndpoint({
  ...showSignOffsEndpoint,
  path: '/signoff/{signoff_id}',
  operation: 'showSignOff',
  summary: 'Open the page on which a person approves or denies an act',
  params: ofSignOff,
  responses: { 200: PAGE, 303: null, 403: PAGE, 404: PAGE },
  errors: [permissionMissing, signOffUnknown, storeUnavailable],
});

export const sendSignOffEndpoint = defineEndpoint({
  ...sentForm,
  path: '/signoff/{signoff_id}',
  operation: 'sendSignOff',
  summary: 'Approve or deny an act on its page',
  limit: 'write',
  params: ofSignOff,
  body: z.strictObject({
    form_token: formTokenShape,
    role: z.enum(SIGNOFF_ROLES),
    decision: z.enum(DECISIONS),
    comment: z
      .string()
      .max(COMMENT_LENGTH_MAX)
      .regex(/^[^\p{Cc}\p{Cs}]*$/u),
    arguments_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  responses: { 303: null, 400: PAGE, 403: PAGE, 404: PAGE, 409: PAGE },
  errors: [unauthenticated, permissionMissing, stepUpRequired, storeUnavailable, ...approveSignOffEndpoint.errors],
});
