import { defineJob } from '#services/platform/define/job.ts';

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

export const cleanUpIncidentsJob = defineJob({
  name: 'clean-up-incidents',
  queue: 'token-cleanup',
  backoffSeconds: 30,
  schedule: { everySeconds: 86_400 },
  staleAfterSeconds: 259_200,
  timeoutSeconds: 280,
  meaning: 'Remove closed incidents and sign-offs older than six years',
});
