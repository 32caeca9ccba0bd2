import { countEnqueued } from '#jobs/metrics.ts';
import { clientAuthorities } from '../api/client-authorities.ts';
import { composeLimits } from '../api/compose-limits.ts';
import { type ComposeInput, composeViews, type Outside } from '../api/compose-views.ts';
import { createSealingWake } from '../api/sealing-wake.ts';
import type { OfferedGrant } from '../core/access/server-metadata.ts';
import { createIdentifierHashes } from '../core/audit/audit-context.ts';
import { createProofKeyCache } from '../core/tokens/dpop/dpop-proof.ts';
import { createValidationSummary } from '../core/tokens/verify/summarise-validations.ts';
import { createValidationCounts } from '../core/tokens/verify/validation-counts.ts';
import { createVerifiedTokenCache } from '../core/tokens/verify/verified-token-cache.ts';
import { loadList, ownScopesOf } from '../modules.ts';
import { type Config, ConfigError } from '../platform/config/load.ts';
import { systemClock } from '../platform/crypto/system.ts';
import { createProducer } from '../platform/queue/producer.ts';
import { composePorts, mcpAuthenticators } from './ports.ts';

/** Smaller than the cache of the API: few clients use this server. */
const TOKEN_CACHE_BYTES = 8 * 1_048_576;

/** MCP_URL first: the address of requests that name the process by an address of this machine. */
const ownFirst = ({ mcp }: Config, [first, ...others]: readonly string[]): readonly [string, ...string[]] =>
  mcp.url === undefined || mcp.url === first ? [first as string, ...others] : [mcp.url, first as string];

/** Builds and loads the ports and in-memory views of one MCP process. Throws if it cannot start. */
export async function compose(input: ComposeInput, replaced?: Outside) {
  const { wings, faces } = input.config;
  if (!faces.mcp)
    throw new ConfigError([
      {
        env: 'SALLYPORT_LEAVE_OUT',
        problem: 'leaves out mcp, and this process is the MCP server',
        fix: 'do not start it, or do not leave out mcp',
      },
    ]);
  const views = composeViews({ ...input, databaseRole: 'sallyport_mcp' }, undefined, replaced);
  await views.load();
  const { outside, keyRing, access, revocations, poll, stores, tokenSettings } = views;
  const producer = createProducer(input.redisUrl, stores.onRedisError, countEnqueued);
  const sealing = createSealingWake({ enqueue: producer.enqueue, clock: systemClock });
  const grants: readonly OfferedGrant[] = await loadList('grants', wings);
  const ports = await composePorts(
    {
      ...outside,
      ...composeLimits(views),
      keyRing,
      access,
      revocations,
      tokenSettings,
      issuer: tokenSettings.issuer,
      wings,
      ownScopes: ownScopesOf(wings),
      grants,
      clientSettings: views.clientSettings,
      bindsCertificates: input.config.server.clientCertHeader !== undefined,
      certificateAuthorities: clientAuthorities(input.config.server),
      hashIdentifier: createIdentifierHashes(() => keyRing.secret('identifier')),
      verifiedTokens: createVerifiedTokenCache(TOKEN_CACHE_BYTES),
      validationCounts: createValidationCounts(),
      proofKeys: createProofKeyCache(),
    },
    {
      resources: ownFirst(input.config, tokenSettings.mcpAudiences),
      publicUrl: input.publicUrl,
      enqueue: producer.enqueue,
    },
  );
  const validationSummary = createValidationSummary(ports);
  validationSummary.start();
  const authenticators = mcpAuthenticators(ports, views.confirmNewest);
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
