import type { onRequestHookHandler } from 'fastify';
import { type App, createApp } from '../api/app.ts';
import { bind, type RouteContext } from '../api/bind.ts';
import { createBrowserRules } from '../api/requests/browser-rules.ts';
import { createCallerResolver } from '../api/requests/caller.ts';
import { identifyBy, limitCallers } from '../api/requests/rate-limits.ts';
import { createCallerRecheck } from '../api/requests/recheck-caller.ts';
import { useProofsOnce } from '../api/requests/use-proofs-once.ts';
import { healthRoutes } from '../api/routes/health.ts';
import { createDenialLog } from '../domain/access/record-denial.ts';
import { hostRefused } from '../domain/operations/errors.ts';
import { type Config, publicUrlOf } from '../platform/config/load.ts';
import { originRefused } from '../platform/errors.ts';
import type { Composed } from './compose.ts';
import { callMcpEndpoint, readMcpMetadataEndpoint } from './contract.ts';
import { createMessageHandler } from './handle-message.ts';
import { createProgressStreams, type ProgressStreams } from './progress-streams.ts';

const METADATA = '/.well-known/oauth-protected-resource';
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** The MCP server over composed ports, ready to listen. */
export function createServer(
  composed: Composed,
  config: Config,
  about: { readonly version: string },
  streams: ProgressStreams = createProgressStreams(),
): App {
  const { ports, authenticators } = composed;
  const { origin, hostname, pathname, protocol } = new URL(ports.resource);
  const metadataPath = `${METADATA}${pathname === '/' ? '' : pathname}` as const;
  const origins = [origin, publicUrlOf(config), ...config.server.corsOrigins];
  const app = createApp({
    log: ports.log,
    trustedProxies: config.server.trustedProxies,
    clientCertHeader: config.server.clientCertHeader,
    resourceMetadata: origin + metadataPath,
    limiting: { limits: ports.limits, identify: identifyBy(authenticators) },
    hashIdentifier: ports.hashIdentifier,
    onAuditWritten: composed.wakeSealing,
    browsers: createBrowserRules({
      origins,
      isTlsOnly: config.server.profile !== 'development' && protocol === 'https:',
    }),
  });
  const hosts = LOOPBACK.includes(hostname) ? LOOPBACK : [hostname];
  app.fastify.addHook('onRequest', refuseRebinding(new Set(hosts), new Set(origins)));
  const routes: RouteContext = {
    app: app.fastify,
    callers: limitCallers(useProofsOnce(ports, createCallerResolver(authenticators)), ports.limits),
    bound: app.bound,
  };
  healthRoutes(routes, {
    revocations: ports.revocations,
    isKeyRingFresh: () => ports.keyRing.isFresh(),
    isDirectoryFresh: () => ports.access.isFresh(),
    isRedisReady: () => composed.stores.redis.isReady(),
    isDraining: app.isDraining,
  });
  // Without `scopes_supported` a client requests the scopes that it is registered for, and more when a call needs more.
  bind(routes, { ...readMcpMetadataEndpoint, path: metadataPath }, () => ({
    resource: ports.resource,
    authorization_servers: [ports.issuer],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA'],
    resource_name: 'Sallyport MCP',
  }));
  const handle = createMessageHandler(
    { ...ports, recordDenial: createDenialLog(ports) },
    about.version,
    streams,
    createCallerRecheck(authenticators)(callMcpEndpoint),
  );
  bind(routes, { ...callMcpEndpoint, path: pathname as '/mcp' }, ({ body }, caller, request) =>
    handle(body, caller, request),
  );
  const startDraining = (): void => {
    app.startDraining();
    streams.close();
  };
  return { ...app, startDraining };
}

/** Refuses requests by another name or from other pages (DNS rebinding). Probes address a copy by its number. */
function refuseRebinding(hosts: ReadonlySet<string>, origins: ReadonlySet<string>): onRequestHookHandler {
  return (request, _reply, done) => {
    const { host = '', origin } = request.headers;
    if (request.routeOptions.config.endpoint?.answersWhileDraining) done();
    else if (!hosts.has(hostnameOf(host))) done(hostRefused());
    else if (origin !== undefined && !origins.has(origin)) done(originRefused());
    else done();
  };
}

const hostnameOf = (host: string): string => {
  const url = `http://${host}`;
  return URL.canParse(url) ? new URL(url).hostname : '';
};
