// PROCESS: the product's own validate route without its stores: real HTTP frame, hooks, metrics, key, revocation set and
// cache, so that a change to the hot path is measured in seconds.
import { createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { startTelemetry } from '#observability/otel.ts';
import { createApp } from '#services/api/app.ts';
import { createCallerResolver } from '#services/api/requests/caller.ts';
import { type TokenRoutesPorts, tokensRoutes } from '#services/api/routes/tokens.ts';
import { createRevocationSet } from '#services/core/revocations/revocation-set.ts';
import { createValidationCounts } from '#services/core/tokens/verify/validation-counts.ts';
import { createVerifiedTokenCache } from '#services/core/tokens/verify/verified-token-cache.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { systemClock } from '#services/platform/crypto/system.ts';

type Command = { readonly id: number; readonly issuer: string; readonly kid: string; readonly publicKey: string };

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

startTelemetry({ serviceName: 'sallyport-api' });
function ports(issuer: string, kid: string, publicKey: KeyObject): TokenRoutesPorts {
  const { tokens } = loadConfig({});
  const revocations = createRevocationSet({
    clock: systemClock,
    log: quiet,
    stalenessBoundMs: Number.POSITIVE_INFINITY,
    budget: 1_000_000,
  });
  revocations.reset(randomUUID());
  revocations.confirm(0, systemClock.monotonic(), systemClock.now());
  const found = { key: { kid, alg: 'RS256', key: publicKey }, compromised: false };
  const keyRing = new Map([[kid, found]]);
  // Whatever else a route could ask for is not there: validation reaches no store.
  return {
    clock: systemClock,
    revocations,
    tokenSettings: { ...tokens, issuer, audience: issuer },
    verifiedTokens: createVerifiedTokenCache(134_217_728),
    validationCounts: createValidationCounts(),
    keyRing: { find: (asked: string) => keyRing.get(asked), isClockRight: () => true },
  } as unknown as TokenRoutesPorts;
}

async function start({ issuer, kid, publicKey }: Command): Promise<string> {
  const app = createApp({ log: quiet, trustedProxies: [] });
  const noCaller = () => null;
  const callers = createCallerResolver({
    bearer: noCaller,
    client: noCaller,
    session: async () => null,
    assertion: () => Promise.reject(new Error('no assertion')),
    certificate: () => undefined,
    confirmNewest: async () => {},
    csrfPasses: () => false,
    ownFactor: async () => {},
  });
  tokensRoutes({ app: app.fastify, callers, bound: app.bound }, ports(issuer, kid, createPublicKey(publicKey)));
  return app.fastify.listen({ port: 0, host: '127.0.0.1' });
}

process.once('message', async (command: Command) => {
  process.send?.({ id: command.id, result: await start(command) });
});
process.on('disconnect', () => process.exit(0));
