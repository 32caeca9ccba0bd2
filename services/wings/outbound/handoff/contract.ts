import { z } from 'zod';
import { bodyReason, manages, reads } from '#services/core/access/admin-shapes.ts';
import { queuesManage } from '#services/core/shared/permissions.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { handoffUnknown } from './errors.ts';

const defineEndpoint = endpointsOf('Hand-off');

export const deadLetterView = component('DeadLetter', {
  delivery_id: z.uuid(),
  /** Name of the endpoint in HANDOFF_ENDPOINTS. */
  endpoint: z.string(),
  /** Of the event in the sealed log. */
  seq: z.int(),
  attempts: z.int(),
  /** Code of the last failure: `http_` and a status, or an error of the network. */
  failure: z.string(),
  failed_at: z.iso.datetime(),
});
export type DeadLetterView = z.output<typeof deadLetterView>;

export const listHandoffDeadLettersEndpoint = defineEndpoint({
  path: '/v1/handoff/dead-letters',
  operation: 'listHandoffDeadLetters',
  summary: 'List the events that an endpoint did not accept and that were given up, newest first',
  auth: reads(queuesManage),
  query: z.strictObject({ limit: z.int().min(1).max(1_000).default(100) }),
  responses: { 200: z.object({ count: z.int(), dead_letters: z.array(deadLetterView) }) },
});

export const replayHandoffEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/handoff/dead-letters/{delivery_id}/replay',
  operation: 'replayHandoff',
  summary: 'Send an event again that was given up, with all its attempts',
  auth: manages(queuesManage),
  params: z.strictObject({ delivery_id: z.uuid() }),
  body: bodyReason,
  responses: { 200: z.object({ delivery_id: z.uuid(), endpoint: z.string(), seq: z.int() }) },
  errors: [handoffUnknown],
});
