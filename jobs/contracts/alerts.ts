import { defineJob } from '#services/platform/define/job.ts';

export const sendAlertsJob = defineJob({
  name: 'send-alerts',
  queue: 'alerts',
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning:
    'Make alerts of new incidents and of controls that turned red, and send them to the targets of alerts, grouped and in order',
});
