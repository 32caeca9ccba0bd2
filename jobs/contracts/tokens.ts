import { defineJob } from '#services/platform/define/job.ts';

export const cleanUpExpiredTokensJob = defineJob({
  name: 'clean-up-expired-tokens',
  queue: 'token-cleanup',
  backoffSeconds: 30,
  schedule: { everySeconds: 300 },
  staleAfterSeconds: 3_600,
  timeoutSeconds: 280,
  meaning:
    'Remove expired token families, revocations, idempotency keys, DPoP proofs, API keys, nonces of their signatures, and six years old records of rotations, in batches',
});
