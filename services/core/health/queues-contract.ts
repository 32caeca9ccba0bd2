import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { queueUnavailable } from '#services/platform/errors.ts';
import { bodyReason, manages, pageQuery, reads } from '../access/admin-shapes.ts';
import { queuesManage } from '../shared/permissions.ts';
import { deadLetterUnknown } from './errors.ts';

const defineEndpoint = endpointsOf('Operations');
const instant = z.iso.datetime();
const count = z.int().nonnegative();
const queueName = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9-]*$/);

const queueView = component('JobQueue', {
  name: z.string(),
  waiting: count,
  active: count,
  delayed: count,
  dead: count,
  /** Waiting time of the job at the head of the queue. */
  oldest_age_seconds: z.number().nonnegative(),
});
export type QueueView = z.output<typeof queueView>;

const scheduleView = component('JobSchedule', {
  job: z.string(),
  queue: z.string(),
  /** What the job does; empty if this release does not know it. */
  meaning: z.string(),
  every_seconds: count,
  next_run_at: instant,
  last_started_at: instant.nullable(),
  last_finished_at: instant.nullable(),
  last_succeeded_at: instant.nullable(),
  last_outcome: z.enum(['completed', 'dead']).nullable(),
  /** Whether its last success is older than its contract allows. */
  stale: z.boolean(),
  /** Whether it has been due for more than a minute. */
  late: z.boolean(),
});
export type ScheduleView = z.output<typeof scheduleView>;

export const listJobQueuesEndpoint = defineEndpoint({
  path: '/v1/admin/job-queues',
  operation: 'listJobQueues',
  summary: 'List the queues of jobs with their counts, and the timetable',
  auth: reads(queuesManage),
  responses: { 200: z.object({ queues: z.array(queueView), schedules: z.array(scheduleView) }) },
  errors: [queueUnavailable],
});

const deadLetterView = component('DeadJob', {
  queue: z.string(),
  job_id: z.string(),
  job: z.string(),
  /** Error code or class name. */
  code: z.string(),
  attempts: count,
  failed_at: instant,
});
export type DeadLetter = z.output<typeof deadLetterView>;

const foundLetter = deadLetterView.extend({
  /** What the job was given: ids, and no secret. Null for a row that a job gave up. */
  payload: z.unknown(),
  enqueued_at: instant,
});
export type FoundDeadLetter = z.output<typeof foundLetter>;

/** `job_id` is that of BullMQ, or the id of a row that a job gave up. */
const ofLetter = z.strictObject({
  queue: queueName,
  job_id: z
    .string()
    .max(200)
    .regex(/^[\w.:-]+$/),
});
export type LetterPath = z.output<typeof ofLetter>;

export const listDeadLettersEndpoint = defineEndpoint({
  path: '/v1/admin/dead-letters',
  operation: 'listDeadLetters',
  summary: 'List jobs that used up their attempts, newest first',
  auth: reads(queuesManage),
  query: z.strictObject({ ...pageQuery, queue: queueName.optional() }),
  responses: { 200: z.object({ dead_letters: z.array(deadLetterView), next: z.string().nullable() }) },
  errors: [queueUnavailable],
});

export const readDeadLetterEndpoint = defineEndpoint({
  path: '/v1/admin/dead-letters/{queue}/{job_id}',
  operation: 'readDeadLetter',
  summary: 'Get a dead letter with what its job was given',
  auth: reads(queuesManage),
  params: ofLetter,
  responses: { 200: foundLetter },
  errors: [queueUnavailable, deadLetterUnknown],
});

export const retryDeadLetterEndpoint = defineEndpoint({
  ...readDeadLetterEndpoint,
  method: 'POST',
  path: '/v1/admin/dead-letters/{queue}/{job_id}/retry',
  operation: 'retryDeadLetter',
  summary: 'Return a dead letter to its queue, with all its attempts',
  auth: manages(queuesManage),
  body: bodyReason,
  responses: { 200: deadLetterView },
});

export const discardDeadLetterEndpoint = defineEndpoint({
  ...retryDeadLetterEndpoint,
  path: '/v1/admin/dead-letters/{queue}/{job_id}/discard',
  operation: 'discardDeadLetter',
  summary: 'Remove a dead letter for good: its work is never done',
});
