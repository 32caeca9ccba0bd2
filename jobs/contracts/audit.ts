import { z } from 'zod';
import { defineJob } from '../../services/platform/define/job.ts';

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
