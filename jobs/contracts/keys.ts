import { defineJob } from '#services/platform/define/job.ts';

export const advanceKeyRingJob = defineJob({
  name: 'advance-key-ring',
  queue: 'key-rotation',
  schedule: { everySeconds: 240 },
  staleAfterSeconds: 600,
  timeoutSeconds: 60,
  meaning:
    'Publish the next signing key when it is due, renew the secret of refresh tokens, and destroy private keys that no longer sign',
});
