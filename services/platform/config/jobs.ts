import { defineSettings } from '../define/setting.ts';
import { wholeNumber } from './shapes.ts';

export const jobSettings = defineSettings({
  workerCopies: {
    env: 'WORKER_COPIES',
    schema: wholeNumber(1, 0, 1),
    use: 'Whether `sallyport start` runs a worker (1) or not (0), so that jobs wait for workers elsewhere. More workers are units of systemd, containers or pods.',
  },
  workerDrainSeconds: {
    env: 'WORKER_DRAIN_SECONDS',
    schema: wholeNumber(20, 1, 25),
    use: 'How long a stopping worker waits for running jobs, seconds.',
  },
  lockMs: {
    env: 'JOB_LOCK_MS',
    schema: wholeNumber(15_000, 300, 600_000),
    use: 'How long the lock of a worker on a job lasts without renewal, milliseconds. After that another worker takes the job.',
  },
  scheduleCheckMs: {
    env: 'JOB_SCHEDULE_CHECK_MS',
    schema: wholeNumber(10_000, 100, 60_000),
    use: 'How often each worker checks that every scheduled run is in Redis, and adds the missing ones, milliseconds.',
  },
  stallSeconds: {
    env: 'QUEUE_STALL_SECONDS',
    schema: wholeNumber(60, 1, 3_600),
    use: 'A worker reports itself unhealthy when a job has waited for longer than this while no job of its queue runs, or when PostgreSQL or Redis has not answered for longer, seconds.',
  },
});
