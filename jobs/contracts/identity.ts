import { z } from 'zod';
import { defineJob } from '../../services/platform/define/job.ts';

export const cleanUpExpiredSessionsJob = defineJob({
  name: 'clean-up-expired-sessions',
  queue: 'token-cleanup',
  payload: z.strictObject({}),
  attempts: 5,
  backoffSeconds: 30,
  schedule: { everySeconds: 300 },
  staleAfterSeconds: 3_600,
  timeoutSeconds: 280,
  meaning: 'Removes browser sessions and mailed links that ran out long ago, in batches.',
});
