import { defineCleanUp, defineJob } from '#services/platform/define/job.ts';

export const detectIncidentsJob = defineJob({
  name: 'detect-incidents',
  queue: 'incident-detection',
  backoffSeconds: 1,
  schedule: { everySeconds: 1, idleSeconds: 3_600 },
  staleAfterSeconds: 120,
  timeoutSeconds: 60,
  meaning:
    'Evaluate each new security event with every detection, raise incidents, and take the actions of their policies',
});

export const cleanUpIncidentsJob = defineCleanUp({
  name: 'clean-up-incidents',
  meaning: 'Remove closed incidents and sign-offs older than six years',
});
