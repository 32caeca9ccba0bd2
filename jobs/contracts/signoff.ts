import { defineJob } from '#services/platform/define/job.ts';

export const sendPingsJob = defineJob({
  name: 'send-pings',
  queue: 'pings',
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning:
    'Send pings to clients when people have decided what they asked for (CIBA Core §10.2); retry a failed ping a few times, while the client can poll',
});
