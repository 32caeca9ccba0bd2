import { defineJob } from '#services/platform/define/job.ts';

export const runImportsJob = defineJob({
  name: 'run-imports',
  queue: 'imports',
  attempts: 3,
  schedule: { everySeconds: 5, idleSeconds: 3_600 },
  staleAfterSeconds: 7_200,
  timeoutSeconds: 3_600,
  meaning: 'Import the users of uploaded files, a thousand in a transaction, and go on where a stopped run was',
});
