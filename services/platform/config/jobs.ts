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
    use: 'A worker that is silent for longer loses its jobs to another worker.',
  },
  scheduleCheckMs: {
    env: 'JOB_SCHEDULE_CHECK_MS',
    schema: wholeNumber(10_000, 100, 60_000),
    use: 'How often each worker puts missing scheduled runs back into Redis.',
  },
  stallSeconds: {
    env: 'QUEUE_STALL_SECONDS',
    schema: wholeNumber(60, 1, 3_600),
    use: 'A worker is unhealthy when the oldest job of an idle queue has waited for longer, or a store has not answered for longer.',
  },
});
