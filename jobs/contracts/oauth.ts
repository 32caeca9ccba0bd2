import { defineJob } from '#services/platform/define/job.ts';

export const sendLogoutTokensJob = defineJob({
  name: 'send-logout-tokens',
  queue: 'logout',
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning:
    'Send logout tokens of ended sessions to clients (OpenID Connect Back-Channel Logout); retry a failed one for a day without delaying other clients',
});
