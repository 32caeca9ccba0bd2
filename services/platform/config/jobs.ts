import { defineSettings } from '../define/setting.ts';
import { wholeNumber } from './shapes.ts';

export const jobSettings = defineSettings({
  workerCopies: {
    env: 'WORKER_COPIES',
    schema: wholeNumber(1, 0, 64),
    use: 'Worker processes under `sallyport start`; 0: jobs wait for workers elsewhere.',
  },
  workerDrainSeconds: {
    env: 'WORKER_DRAIN_SECONDS',
    schema: wholeNumber(20, 1, 25),
    use: 'Longest wait for running jobs at stop.',
  },
  lockMs: {
    env: 'JOB_LOCK_MS',
    schema: wholeNumber(15_000, 300, 600_000),
    use: 'A worker silent for longer loses its jobs to another.',
  },
  scheduleCheckMs: {
    env: 'JOB_SCHEDULE_CHECK_MS',
    schema: wholeNumber(10_000, 100, 60_000),
    use: 'How often each worker puts missing scheduled runs back into Redis.',
  },
  stallSeconds: {
    env: 'QUEUE_STALL_SECONDS',
    schema: wholeNumber(60, 1, 3_600),
    use: 'A queue whose oldest job waits longer while none of it runs, or a store silent for longer, makes a worker unhealthy.',
  },
});
