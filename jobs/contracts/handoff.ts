import { defineJob } from '#services/platform/define/job.ts';

export const pushHandoffsJob = defineJob({
  name: 'push-handoffs',
  queue: 'handoff',
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning:
    'Push security events to the endpoints of HANDOFF_ENDPOINTS, signed and in order for each subject; an endpoint that is down gets them when it is up again',
});

export const exportEventsJob = defineJob({
  name: 'export-events',
  queue: 'siem',
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning:
    'Export the sealed log to the targets of SIEM_TARGETS, in OCSF or ECS and in order; a target that is down gets all of it when it is up again',
});
