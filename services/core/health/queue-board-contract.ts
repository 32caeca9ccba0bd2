import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { originRefused, queueUnavailable, routeUnknown } from '#services/platform/errors.ts';
import { queuesManage } from '../shared/permissions.ts';
import { queueChangeRefused } from './errors.ts';

const PAGE = { contentType: 'text/html; charset=utf-8' } as const;
/** Parameters of Bull Board, which ignores unknown ones. */
const loose = z.looseObject({});
const operators = {
  accepts: ['session', 'bearer'],
  for: 'anyone',
  permission: queuesManage.name,
  subject: 'any',
} as const;

/** The page; its files and requests are below this path and have the same policy. */
export const queueBoardEndpoint = defineEndpoint({
  path: '/v1/admin/queues',
  operation: 'openQueueBoard',
  summary: 'Open the queue board: queues, jobs and dead letters (Bull Board)',
  tag: 'Operations',
  auth: operators,
  query: loose,
  responses: { 200: PAGE },
  errors: [originRefused, routeUnknown, queueUnavailable],
});

export const readQueueBoardEndpoint = defineEndpoint({
  ...queueBoardEndpoint,
  path: '/v1/admin/queues/{part}',
  rest: 'part',
  operation: 'readQueueBoard',
  summary: 'Load views, files and data for the page of the queue board; not a stable interface',
  params: z.strictObject({ part: z.string().max(1_024) }),
  // Views and their errors are HTML; files and JSON have their own types.
  responses: { 200: { contentType: '*/*' }, 404: PAGE },
  errors: [...queueBoardEndpoint.errors, queueChangeRefused],
});

export const changeQueueEndpoint = defineEndpoint({
  ...readQueueBoardEndpoint,
  method: 'PUT',
  operation: 'changeQueue',
  summary:
    'Change a queue or job from the queue board: retry, clean, promote, pause or resume; recorded in the audit log first',
  // Dangerous: pausing a queue stops the sealing of events, and so the detections, or the mails that warn users.
  auth: { ...operators, accepts: [...operators.accepts, 'client'], stepUp: true },
  // The path contains everything.
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 200: z.unknown(), 204: null },
});
