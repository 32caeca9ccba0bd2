import { z } from 'zod';
import { defineJob } from '#services/platform/define/job.ts';

export const cleanUpExpiredSessionsJob = defineJob({
  name: 'clean-up-expired-sessions',
  queue: 'token-cleanup',
  payload: z.strictObject({}),
  attempts: 5,
  backoffSeconds: 30,
  schedule: { everySeconds: 300 },
  staleAfterSeconds: 3_600,
  timeoutSeconds: 280,
  meaning:
    'Removes what ran out of sessions, mailed links and codes, half-done logins, counters of wrong passwords, mails, invitations, OAuth codes, device and pushed requests, and clients nobody vetted, in batches.',
});
