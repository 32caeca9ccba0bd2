import { modules } from '../services/domain/modules.ts';
import { isScheduled, type Job, type ScheduledJob } from '../services/platform/define/job.ts';

/** Every job. */
export const jobs: readonly Job[] = modules.flatMap((module) => module.jobs);

/** Every queue, each once. */
export const queueNames: readonly string[] = [...new Set(jobs.map(({ queue }) => queue))];

/** The schedule: every job whose contract has one. */
export const scheduledJobs: readonly ScheduledJob[] = jobs.filter(isScheduled);
