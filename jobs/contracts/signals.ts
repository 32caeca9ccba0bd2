import { defineJob } from '#services/platform/define/job.ts';

export const pushSignalsJob = defineJob({
  name: 'push-signals',
  queue: 'signals',
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning: 'Push shared signals to the streams of their receivers, signed and in order for each user',
});
