import { advanceTasksJob } from '#jobs/contracts/operations.ts';
import { countEnqueued } from '#jobs/metrics.ts';
import { composeLimits } from '../api/compose-limits.ts';
import { type ComposeInput, composeViews, type Outside } from '../api/compose-views.ts';
import type { Authenticators } from '../api/requests/caller.ts';
import { createSealingWake } from '../api/sealing-wake.ts';
import { createIdentifierHashes } from '../domain/audit/audit-context.ts';
import { taskWake } from '../domain/operations/tasks/manage-tasks.ts';
import { createProofKeyCache } from '../domain/tokens/dpop/dpop-proof.ts';
import { bearerCaller } from '../domain/tokens/verify/bearer-caller.ts';
import { createValidationSummary } from '../domain/tokens/verify/summarise-validations.ts';
import { createValidationCounts } from '../domain/tokens/verify/validation-counts.ts';
import { createVerifiedTokenCache } from '../domain/tokens/verify/verified-token-cache.ts';
import { ConfigError, mcpUrlOf } from '../platform/config/load.ts';
import { hasWing } from '../platform/config/wings.ts';
import { systemClock } from '../platform/crypto/system.ts';
import { unauthenticated } from '../platform/errors.ts';
import { createProducer } from '../platform/queue/producer.ts';

/** Smaller than the cache of the API: few clients use this server. */
const TOKEN_CACHE_BYTES = 8 * 1_048_576;

/** Builds and loads the ports and in-memory views of one MCP process. Throws if it cannot start. */
export async function compose(input: ComposeInput, replaced?: Outside) {
  const { wings } = input.config;
  if (!hasWing(wings, 'mcp'))
    throw new ConfigError([
      {
        env: 'SALLYPORT_LEAVE_OUT',
        problem: 'leaves out mcp, and this process is the MCP server',
        fix: 'do not start it, or do not leave out mcp',
      },
    ]);
  const views = composeViews({ ...input, databaseRole: 'sallyport_mcp' }, replaced);
  await views.load();
  const { outside, keyRing, access, revocations, poll, stores } = views;
  const resource = mcpUrlOf(input.config);
  const producer = createProducer(input.redisUrl, stores.onRedisError, countEnqueued);
  const sealing = createSealingWake({ enqueue: producer.enqueue, clock: systemClock });
  const ports = {
    ...outside,
    ...composeLimits(views),
    keyRing,
    access,
    revocations,
    /** URL of this server, and the only audience it accepts (RFC 8707 §2). */
    resource,
    tokenSettings: { ...views.tokenSettings, audience: resource },
    issuer: views.tokenSettings.issuer,
    publicUrl: new URL(resource).origin,
    apiUrl: input.publicUrl,
    wings,
    ...taskWake(producer.enqueue, advanceTasksJob),
    hashIdentifier: createIdentifierHashes(() => keyRing.secret('identifier')),
    verifiedTokens: createVerifiedTokenCache(TOKEN_CACHE_BYTES),
    validationCounts: createValidationCounts(),
    proofKeys: createProofKeyCache(),
  };
  const validationSummary = createValidationSummary(ports);
  validationSummary.start();
  const authenticators: Authenticators = {
    bearer: (token, request, proof) =>
      bearerCaller(ports, token, request, proof && { ...proof, htu: ports.publicUrl + proof.path }, 'mcp'),
    // The protocol knows access tokens only.
    client: () => null,
    certificate: () => undefined,
    session: async () => null,
    confirmNewest: views.confirmNewest,
    csrfPasses: () => false,
    assertion: async () => {
      throw unauthenticated();
    },
  };
  return {
    ports,
    authenticators,
    poll,
    stores,
    wakeSealing: sealing.wake,
    close: async () => {
      sealing.close();
      await validationSummary.close();
      await poll.close();
      await ports.rateCounters.close();
      await producer.close();
      await stores.close();
    },
  };
}

export type Composed = Awaited<ReturnType<typeof compose>>;
