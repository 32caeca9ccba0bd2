import { defineJob } from '#services/platform/define/job.ts';

export const cleanUpExpiredSessionsJob = defineJob({
  name: 'clean-up-expired-sessions',
  queue: 'token-cleanup',
  backoffSeconds: 30,
  schedule: { everySeconds: 300 },
  staleAfterSeconds: 3_600,
  timeoutSeconds: 280,
  meaning:
    'Remove expired sessions, mailed links and codes, unfinished sign-ins, counters of wrong passwords, mails, invitations, OAuth codes, device and pushed requests, and unvetted clients, in batches',
});
