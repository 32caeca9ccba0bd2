import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import {
  originRefused,
  permissionMissing,
  queueUnavailable,
  routeUnknown,
  stepUpRequired,
  storeUnavailable,
  unauthenticated,
} from '#services/platform/errors.ts';
import { queueChangeRefused } from './errors.ts';

const PAGE = { contentType: 'text/html; charset=utf-8' } as const;
/** Bull Board's own parameters and bodies: what it does not know it does not read. */
const loose = z.looseObject({});
const operators = { accepts: ['session', 'bearer'], permission: 'queues:manage' } as const;

/** The page, and what it loads and asks for below this path; all of it under this one policy. */
export const queueBoardEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/queues',
  operation: 'openQueueBoard',
  summary: 'Queues, jobs and dead letters as a page (Bull Board)',
  tag: 'Operations',
  auth: operators,
  query: loose,
  responses: { 200: PAGE },
  errors: [unauthenticated, permissionMissing, originRefused, routeUnknown, queueUnavailable, storeUnavailable],
});

export const readQueueBoardEndpoint = defineEndpoint({
  ...queueBoardEndpoint,
  path: '/v1/admin/queues/{part}',
  rest: 'part',
  operation: 'readQueueBoard',
  summary:
    'The views of that page, its files, and what it asks for as JSON; made for the page, and free to change with it',
  params: z.strictObject({ part: z.string().max(1_024) }),
  // Views and their errors are pages; files and JSON are what they are.
  responses: { 200: { contentType: '*/*' }, 404: PAGE },
  errors: [...queueBoardEndpoint.errors, queueChangeRefused],
});

export const changeQueueEndpoint = defineEndpoint({
  ...readQueueBoardEndpoint,
  method: 'PUT',
  operation: 'changeQueue',
  summary:
    'What the page changes of a queue or a job: retry, clean, promote, pause, resume; in the audit log before it is made',
  // Dangerous: with a queue stands the sealing of events, and with it what detections see, or the mail that warns.
  auth: { ...operators, stepUp: true },
  // Each of them says all in its path.
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: z.unknown(), 204: null },
  errors: [...readQueueBoardEndpoint.errors, stepUpRequired],
});
