import { defineCleanUp } from '#services/platform/define/job.ts';

export const cleanUpExpiredSessionsJob = defineCleanUp({
  name: 'clean-up-expired-sessions',
  schedule: { everySeconds: 300 },
  staleAfterSeconds: 3_600,
  meaning:
    'Remove expired sessions, mailed links and codes, unfinished sign-ins, counters of wrong passwords, mails, invitations, OAuth codes, device and pushed requests, and unvetted clients, in batches',
});
