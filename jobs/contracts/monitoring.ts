import { defineCleanUp, defineJob } from '#services/platform/define/job.ts';

export const countEventHoursJob = defineJob({
  name: 'count-event-hours',
  queue: 'monitoring',
  attempts: 3,
  schedule: { everySeconds: 10, idleSeconds: 3_600 },
  meaning: 'Count the events of the sealed log by hour, for the dashboard, reports and forecasts',
});

export const makeSecurityReportsJob = defineJob({
  name: 'make-security-reports',
  queue: 'monitoring',
  attempts: 3,
  schedule: { everySeconds: 10, idleSeconds: 3_600 },
  staleAfterSeconds: 600,
  meaning: 'Request the security report of each week when it is due, and make requested reports',
});

export const cleanUpMonitoringRecordsJob = defineCleanUp({
  name: 'clean-up-monitoring-records',
  meaning:
    'Remove what copies measured more than 100 days ago, counts of hours older than 400 days, and security reports older than six years',
});
