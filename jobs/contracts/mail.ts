import { defineJob } from '#services/platform/define/job.ts';

export const deliverMailJob = defineJob({
  name: 'deliver-mail',
  queue: 'mail',
  schedule: { everySeconds: 5, idleSeconds: 3_600 },
  meaning: 'Send waiting mails; retry a failed one for a day without delaying the others',
});
