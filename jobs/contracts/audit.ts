import { z } from 'zod';
import { defineJob } from '#services/platform/define/job.ts';

export const maintainAuditOutboxJob = defineJob({
  name: 'maintain-audit-outbox',
  queue: 'token-cleanup',
  payload: z.strictObject({}),
  attempts: 5,
  backoffSeconds: 5,
  schedule: { everySeconds: 1_800 },
  staleAfterSeconds: 86_400,
  timeoutSeconds: 120,
  meaning: 'Makes the partitions of the days to come in the audit outbox, and drops days that are sealed and old.',
});

export const thinAuditCheckpointsJob = defineJob({
  name: 'thin-audit-checkpoints',
  queue: 'token-cleanup',
  payload: z.strictObject({}),
  attempts: 5,
  backoffSeconds: 30,
  schedule: { everySeconds: 21_600 },
  staleAfterSeconds: 172_800,
  timeoutSeconds: 120,
  meaning: 'Of signed heads of the audit log that are over a week old keeps one an hour.',
});

export const sealAuditEventsJob = defineJob({
  name: 'seal-audit-events',
  queue: 'audit-seal',
  payload: z.strictObject({}),
  attempts: 5,
  backoffSeconds: 1,
  schedule: { everySeconds: 1 },
  staleAfterSeconds: 60,
  timeoutSeconds: 30,
  meaning: 'Gives new security events their places in the sealed log and publishes its signed head.',
});
