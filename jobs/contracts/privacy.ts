import { defineJob } from '#services/platform/define/job.ts';

export const rotateEncryptionKeysJob = defineJob({
  name: 'rotate-encryption-keys',
  queue: 'privacy',
  schedule: { everySeconds: 60, idleSeconds: 3_600 },
  staleAfterSeconds: 3_600,
  timeoutSeconds: 1_200,
  meaning: 'Rotate the key-encryption key of health data when it is due, and re-wrap data keys under the newest one',
});

export const processPrivacyRequestsJob = defineJob({
  name: 'process-privacy-requests',
  queue: 'privacy',
  schedule: { everySeconds: 60, idleSeconds: 3_600 },
  staleAfterSeconds: 3_600,
  timeoutSeconds: 600,
  meaning: 'Process requested exports and deletions of health data',
});

export const applyRetentionJob = defineJob({
  name: 'apply-retention',
  queue: 'privacy',
  backoffSeconds: 30,
  schedule: { everySeconds: 300, idleSeconds: 3_600 },
  staleAfterSeconds: 7_200,
  timeoutSeconds: 1_200,
  meaning: 'Run the retention policies once a day and on request, in batches, except for persons under a legal hold',
});
