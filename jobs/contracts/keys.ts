import { z } from 'zod';
import { defineJob } from '#services/platform/define/job.ts';

export const advanceKeyRingJob = defineJob({
  name: 'advance-key-ring',
  queue: 'key-rotation',
  payload: z.strictObject({}),
  attempts: 5,
  backoffSeconds: 5,
  schedule: { everySeconds: 60 },
  staleAfterSeconds: 600,
  timeoutSeconds: 60,
  meaning: 'Publishes the next signing key when its time comes, renews the refresh secret, destroys what has ended.',
});
