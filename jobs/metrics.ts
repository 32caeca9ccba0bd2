import { defineCounter, defineGauge, defineHistogram } from '#observability/metrics/instruments.ts';
import type { Job } from '#services/platform/define/job.ts';
import { jobs, queueNames } from './schedules.ts';

const jobNames = jobs.map(({ name }) => name);
const seconds = [0.05, 0.25, 1, 5, 10, 60, 300] as const;
const labels = { queue: queueNames, job: jobNames };

export const jobRuns = defineCounter({
  name: 'sallyport_jobs',
  help: 'Runs of jobs by outcome: completed, retried, dead (kept as a dead letter), superseded by a newer run, interrupted by a stop, or too early to run.',
  labels: { ...labels, outcome: ['completed', 'retried', 'dead', 'superseded', 'interrupted', 'early'] },
});

export const jobDuration = defineHistogram({
  name: 'sallyport_job_duration_seconds',
  help: 'Duration of a run, with any outcome.',
  labels,
  buckets: seconds,
  otel: {
    name: 'messaging.process.duration',
    labels: { queue: 'messaging.destination.name', job: 'messaging.operation.name' },
  },
});

export const jobWait = defineHistogram({
  name: 'sallyport_job_wait_seconds',
  help: 'Time from when a job was due until a worker began its first attempt.',
  labels: { queue: queueNames },
  buckets: seconds,
});

export const jobsStalled = defineCounter({
  name: 'sallyport_jobs_stalled',
  help: 'Jobs taken back from a worker that lost its lock on them.',
  labels: { queue: queueNames },
});

const jobsEnqueued = defineCounter({
  name: 'sallyport_jobs_enqueued',
  help: 'Attempts to enqueue a job in Redis: added, or failed because Redis was unreachable.',
  labels: { queue: queueNames, outcome: ['added', 'unreachable'] },
});

export const queueJobs = defineGauge({
  name: 'sallyport_queue_jobs',
  help: 'Jobs in a queue by state; dead letters stay until they are retried or removed by age.',
  labels: { queue: queueNames, state: ['waiting', 'active', 'delayed', 'dead'] },
});

export const queueOldestAge = defineGauge({
  name: 'sallyport_queue_oldest_job_age_seconds',
  help: 'Age of the job that has waited longest in a queue; 0 when none waits.',
  labels: { queue: queueNames },
});

export const scheduleLastSuccess = defineGauge({
  name: 'sallyport_job_schedule_last_success_timestamp_seconds',
  help: 'Unix time of the last successful scheduled run of a job.',
  labels: { job: jobNames },
});

export const scheduleNextRun = defineGauge({
  name: 'sallyport_job_schedule_next_run_timestamp_seconds',
  help: 'Unix time of the next scheduled run of a job.',
  labels: { job: jobNames },
});

export const scheduleStale = defineGauge({
  name: 'sallyport_job_schedule_stale',
  help: '1 when the last successful scheduled run of a job is longer ago than its `stale after` (see the reference of jobs), otherwise 0.',
  labels: { job: jobNames },
});

export const workerHealthy = defineGauge({
  name: 'sallyport_worker_healthy',
  help: '1 while the jobs of this worker progress, otherwise 0.',
});

export const countEnqueued = ({ queue }: Pick<Job, 'queue'>, outcome: 'added' | 'unreachable'): void =>
  jobsEnqueued.add(1, { queue, outcome });
