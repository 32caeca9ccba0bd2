import { defineJob } from '#services/platform/define/job.ts';

export const applyLegacyEventsJob = defineJob({
  name: 'apply-legacy-events',
  queue: 'legacy',
  schedule: { everySeconds: 30, idleSeconds: 3_600 },
  staleAfterSeconds: 600,
  meaning:
    'Apply events that webhooks of the old provider brought: names, deleted users and ended sessions, in order for each user; an event of a user who was not imported yet waits for a day',
});
