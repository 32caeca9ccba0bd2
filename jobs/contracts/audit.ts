import { defineJob } from '#services/platform/define/job.ts';

export const maintainAuditOutboxJob = defineJob({
  name: 'maintain-audit-outbox',
  queue: 'token-cleanup',
  schedule: { everySeconds: 1_800 },
  staleAfterSeconds: 86_400,
  meaning:
    'Create the partitions of the audit outbox for the coming days, and drop the partitions of old days whose events are sealed',
});

export const thinAuditCheckpointsJob = defineJob({
  name: 'thin-audit-checkpoints',
  queue: 'token-cleanup',
  backoffSeconds: 30,
  schedule: { everySeconds: 21_600 },
  staleAfterSeconds: 172_800,
  meaning: 'Delete checkpoints (signed heads) of the audit log that are older than a week, except one per hour',
});

export const sealAuditEventsJob = defineJob({
  name: 'seal-audit-events',
  queue: 'audit-seal',
  backoffSeconds: 1,
  schedule: { everySeconds: 1, idleSeconds: 60 },
  staleAfterSeconds: 60,
  // The next event is sealed within five seconds of the death of a worker, its restart included.
  lockSeconds: 2,
  timeoutSeconds: 30,
  meaning: 'Append new security events to the sealed log and publish its signed head',
});
