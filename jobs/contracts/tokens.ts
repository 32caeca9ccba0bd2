import { defineCleanUp } from '#services/platform/define/job.ts';

export const cleanUpExpiredTokensJob = defineCleanUp({
  name: 'clean-up-expired-tokens',
  schedule: { everySeconds: 300 },
  staleAfterSeconds: 3_600,
  meaning:
    'Remove expired token families, revocations, idempotency keys, DPoP proofs, API keys, nonces of their signatures, and six years old records of rotations, in batches',
});
