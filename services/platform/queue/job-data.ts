import { z } from 'zod';

export const jobDataSchema = z.strictObject({
  payload: z.unknown(),
  traceparent: z
    .string()
    .regex(/^(00-[0-9a-f]{32}-[0-9a-f]{16}-0[01])?$/)
    .default(''),
});

export type JobData = z.input<typeof jobDataSchema>;

/**
 * The Redis id of a job with a caller-given id. It begins with the job's name, because ids share the queue's key space, in
 * which a job with the id `delayed` would overwrite the list of delayed jobs.
 */
export function jobIdOf(job: string, ownId: string): string {
  if (!/^[\w.-]{1,128}$/.test(ownId)) throw new TypeError('a job id takes letters, digits, dot, dash and underscore');
  return `${job}-${ownId}`;
}

/** Id of one scheduled run; adding it again has no effect. */
export const slotIdOf = (slotMs: number): string => String(slotMs);

/** Unix milliseconds of the slot of a scheduled run; undefined for every other job id. */
export function slotOf(job: string, jobId: string): number | undefined {
  const slot = jobId.startsWith(`${job}-`) ? jobId.slice(job.length + 1) : '';
  return /^\d{1,15}$/.test(slot) ? Number(slot) : undefined;
}

/** BullMQ's reason of a job whose workers died too often. */
export const STALLED_TO_DEATH = /^job (stalled|started) more/;
