import { modules, modulesOf } from '../services/modules.ts';
import type { WingSettings } from '../services/platform/config/wings.ts';
import { isScheduled, type Job, type ScheduledJob } from '../services/platform/define/job.ts';

export const jobs: readonly Job[] = modules.flatMap((module) => module.jobs);

/** The jobs of an installation: without those of the wings that it leaves out. */
export const jobsOf = (wings: WingSettings): readonly Job[] => modulesOf(wings).flatMap((module) => module.jobs);

export const leftOutJobs = (wings: WingSettings): readonly Job[] => {
  const kept = jobsOf(wings);
  return jobs.filter((job) => !kept.includes(job));
};

export const queuesOf = (of: readonly Job[]): readonly string[] => [...new Set(of.map(({ queue }) => queue))];

export const queueNames = queuesOf(jobs);

export const scheduledJobs: readonly ScheduledJob[] = jobs.filter(isScheduled);
