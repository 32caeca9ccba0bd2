import { defineCleanUp, defineJob } from '#services/platform/define/job.ts';

/** A queue of its own: a report of minutes must not delay the alert of a control that turned red. */
export const checkControlsJob = defineJob({
  name: 'check-controls',
  queue: 'compliance-checks',
  attempts: 3,
  schedule: { everySeconds: 20, idleSeconds: 3_600 },
  timeoutSeconds: 300,
  meaning: 'Run the quick checks of the compliance controls and record changes of their status',
});

export const checkControlsThoroughlyJob = defineJob({
  name: 'check-controls-thoroughly',
  queue: 'compliance-reports',
  attempts: 3,
  backoffSeconds: 60,
  schedule: { everySeconds: 3_600 },
  staleAfterSeconds: 14_400,
  timeoutSeconds: 1_800,
  meaning:
    'Run the checks of the compliance controls that read whole tables, such as the recomputation of the audit log',
});

export const advanceComplianceReportsJob = defineJob({
  name: 'advance-compliance-reports',
  queue: 'compliance-reports',
  attempts: 3,
  schedule: { everySeconds: 5, idleSeconds: 3_600 },
  staleAfterSeconds: 14_400,
  timeoutSeconds: 3_600,
  meaning: 'Request the daily and the monthly compliance report when due, and build requested reports step by step',
});

export const cleanUpComplianceRecordsJob = defineCleanUp({
  name: 'clean-up-compliance-records',
  meaning: 'Remove compliance reports and attestations that are older than six years',
});
