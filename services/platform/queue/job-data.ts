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

/** The id of one scheduled run: added any number of times, it is there once. */
export const scheduledRunId = (job: string, slotMs: number): string => `${job}-${slotMs}`;

/** Unix milliseconds of the slot a scheduled run was made for; undefined for every other id. */
export function slotOf(job: string, jobId: string): number | undefined {
  const slot = jobId.startsWith(`${job}-`) ? jobId.slice(job.length + 1) : '';
  return /^\d{1,15}$/.test(slot) ? Number(slot) : undefined;
}
