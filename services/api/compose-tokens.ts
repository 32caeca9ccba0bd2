import { createUsedAssertions } from '../core/oauth/assertions/used-assertions.ts';
import type { RequestContext } from '../core/ports.ts';
import { createRevocationFeed } from '../core/revocations/revocation-feed.ts';
import { createRevocationStreams } from '../core/revocations/revocation-stream.ts';
import type { HasApprovals } from '../core/shared/approval.ts';
import { createProofKeyCache } from '../core/tokens/dpop/dpop-proof.ts';
import { createClientTokenLog } from '../core/tokens/issue/issue-client-token.ts';
import { createRotationBatcher } from '../core/tokens/refresh/rotation-batcher.ts';
import { createReplayLog } from '../core/tokens/verify/replay-log.ts';
import { createValidationCounts } from '../core/tokens/verify/validation-counts.ts';
import { createVerifiedTokenCache } from '../core/tokens/verify/verified-token-cache.ts';
import { readApproval } from '../modules.ts';
import type { Views } from './compose-views.ts';

/**
 * What issues, refreshes, revokes and validates tokens and publishes revocations, beside the loaded views.
 * @param deadlineMs how long a batched statement waits for its turn and its answer; that of every write unless given
 */
export function composeTokens(
  { input, outside, keyRing, access, revocations, poll, tokenSettings, announceRevocations }: Views,
  { hashIdentifier }: Pick<RequestContext, 'hashIdentifier'>,
  deadlineMs = input.config.stores.writeMs,
) {
  const { config } = input;
  const { stalenessBoundMs } = config.stores;
  const fed = { ...outside, revocations, keyRing, issuer: tokenSettings.issuer, stalenessBoundMs };
  const revocationFeed = createRevocationFeed(fed);
  return {
    stepUp: {
      maxAgeSeconds: config.identity.stepUpSeconds,
      needsSecondFactor: config.server.profile === 'production',
      clock: outside.clock,
    },
    // Updates this copy before the response; other copies immediately after a revocation, else at their next poll.
    keysChanged: async () => {
      await keyRing.load();
      void poll.announce();
    },
    // The same for roles and clients.
    accessChanged: async () => {
      await Promise.all([access.load(), poll.announce()]);
    },
    verifiedTokens: createVerifiedTokenCache(config.tokens.cacheMegabytes * 1_048_576),
    validationCounts: createValidationCounts(),
    proofKeys: createProofKeyCache(),
    revocationFeed,
    revocationStreams: createRevocationStreams({
      ...fed,
      revocationFeed,
      maximumPerCaller: config.limits.streamsPerClient,
    }),
    recordReplay: createReplayLog({ ...outside, hashIdentifier }),
    readApproval: ((asked, caller) =>
      readApproval(config.wings, outside, asked, caller)) satisfies HasApprovals['readApproval'],
    clientTokenLog: createClientTokenLog(outside, config.tokens.groupCommit, deadlineMs),
    usedAssertions: createUsedAssertions(outside, config.tokens.groupCommit, deadlineMs),
    refreshFamilies: createRotationBatcher({ ...outside, keyRing, announceRevocations }, tokenSettings, deadlineMs),
  };
}
