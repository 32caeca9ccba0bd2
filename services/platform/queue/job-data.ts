import { z } from 'zod';

/** What a job carries in Redis. */
export const jobDataSchema = z.strictObject({
  payload: z.unknown(),
  traceparent: z
    .string()
    .regex(/^(00-[0-9a-f]{32}-[0-9a-f]{16}-0[01])?$/)
    .default(''),
});

export type JobData = z.input<typeof jobDataSchema>;

/**
 * The id in Redis of a job with an id of its own. The name stands before it: ids lie among the queue's own keys, where
 * a job called `delayed` would take the place of the delayed jobs.
 */
export function jobIdOf(job: string, ownId: string): string {
  if (!/^[\w.-]{1,128}$/.test(ownId)) throw new TypeError('a job id takes letters, digits, dot, dash and underscore');
  return `${job}-${ownId}`;
}

/** The own id of one scheduled run: added any number of times, it is there once. */
export const slotIdOf = (slotMs: number): string => String(slotMs);

/** Unix milliseconds of the slot a scheduled run was made for; undefined for every other job id. */
export function slotOf(job: string, jobId: string): number | undefined {
  const slot = jobId.startsWith(`${job}-`) ? jobId.slice(job.length + 1) : '';
  return /^\d{1,15}$/.test(slot) ? Number(slot) : undefined;
}
