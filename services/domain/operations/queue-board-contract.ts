import { defineEndpoint } from '../../platform/define/endpoint.ts';
import {
  originRefused,
  permissionMissing,
  queueUnavailable,
  routeUnknown,
  storeUnavailable,
  unauthenticated,
} from '../../platform/errors.ts';

/** The page, and what it loads and asks for below this path; all of it under this one policy. */
export const queueBoardEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/queues',
  operation: 'openQueueBoard',
  summary: 'Queues, jobs and dead letters as a page (Bull Board), with its files and its own API below this path',
  tag: 'Operations',
  auth: { accepts: ['session', 'bearer'], permission: 'queues:manage' },
  responses: { 200: { contentType: 'text/html; charset=utf-8' } },
  errors: [unauthenticated, permissionMissing, originRefused, routeUnknown, queueUnavailable, storeUnavailable],
});
