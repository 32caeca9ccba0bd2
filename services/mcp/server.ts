import type { FastifyReply, onRequestHookHandler } from 'fastify';
import { type App, createApp } from '../api/app.ts';
import { bind, type RouteContext } from '../api/bind.ts';
import { type BrowserRules, createBrowserRules, isForAnyone } from '../api/requests/browser-rules.ts';
import { createCallerResolver } from '../api/requests/caller.ts';
import { identifyBy, limitCallers } from '../api/requests/rate-limits.ts';
import { createCallerRecheck } from '../api/requests/recheck-caller.ts';
import { useProofsOnce } from '../api/requests/use-proofs-once.ts';
import { healthRoutes } from '../api/routes/health.ts';
import { serverMetadataRoutes } from '../api/routes/metadata.ts';
import { readMcpMetadataEndpoint } from '../core/access/metadata-contract.ts';
import { createDenialLog } from '../core/access/record-denial.ts';
import { mcpMetadata } from '../core/access/server-metadata.ts';
import type { Config } from '../platform/config/load.ts';
import { trustedOrigins } from '../platform/config/server.ts';
import { originRefused } from '../platform/errors.ts';
import { metadataPathOf, metadataUrlOf } from './addresses.ts';
import type { Composed } from './compose.ts';
import { callMcpEndpoint, hostRefused } from './contract.ts';
import { createMessageHandler } from './handle-message.ts';
import { createProgressStreams, type ProgressStreams } from './progress-streams.ts';

/** Of a process, or of a part of an API process. */
type Parts = Pick<Composed, 'ports' | 'authenticators' | 'stores' | 'wakeSealing'>;

/** The MCP server over composed ports, ready to listen. @param inFlight those of the server that it is a part of */
export function createServer(
  composed: Parts,
  config: Config,
  about: { readonly version: string },
  { streams = createProgressStreams(), inFlight }: { streams?: ProgressStreams; inFlight?: Set<FastifyReply> } = {},
): App {
  const { ports, authenticators } = composed;
  const { addresses, apiUrl } = ports;
  const scope = ports.ownScopes.join(' ');
  const origins = trustedOrigins(config.server, [...addresses.origins, apiUrl]);
  const browsers = createBrowserRules({
    origins,
    isTlsOnly: config.server.profile !== 'development' && addresses.origins.every((each) => each.startsWith('https:')),
  });
  const app = createApp({
    log: ports.log,
    trustedProxies: config.server.trustedProxies,
    clientCertHeader: config.server.clientCertHeader,
    resourceOf: ({ headers, url }) => ({ metadata: metadataUrlOf(addresses.at(headers, pathOf(url))), scope }),
    limiting: { limits: ports.limits, identify: identifyBy(authenticators) },
    hashIdentifier: ports.hashIdentifier,
    onAuditWritten: composed.wakeSealing,
    browsers,
    ...(inFlight ? { inFlight } : {}),
  });
  app.fastify.addHook('onRequest', refuseRebinding({ hosts: addresses.hosts, origins, browsers }));
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
  // Clients of the revisions of 2024 and 2025-03-26 look for the authorization server at this origin.
  serverMetadataRoutes(
    routes,
    ports,
    addresses.paths.filter((path) => path !== '/'),
  );
  for (const path of addresses.paths) {
    const metadata = { ...readMcpMetadataEndpoint, path: metadataPathOf(path) as `/${string}` };
    bind(routes, metadata, (_input, _caller, request) => mcpMetadata(ports, addresses.at(request.headers, path)));
  }
  const handle = createMessageHandler(
    { ...ports, recordDenial: createDenialLog(ports) },
    about.version,
    streams,
    createCallerRecheck(authenticators)(callMcpEndpoint),
  );
  for (const path of addresses.paths)
    bind(routes, { ...callMcpEndpoint, path: path as '/mcp' }, ({ body }, caller, request) =>
      handle(body, caller, request),
    );
  const startDraining = (): void => {
    app.startDraining();
    streams.close();
  };
  return { ...app, startDraining };
}

type Trusted = {
  readonly hosts: ReadonlySet<string>;
  readonly origins: ReadonlySet<string>;
  readonly browsers: BrowserRules;
};

/**
 * Refuses requests by another name or from other pages (DNS rebinding). Public documents are for every page, and the rules
 * for browsers decide about preflights. Probes address a copy by its number.
 */
function refuseRebinding({ hosts, origins, browsers }: Trusted): onRequestHookHandler {
  return (request, _reply, done) => {
    const { host = '', origin } = request.headers;
    const { endpoint } = request.routeOptions.config;
    if (endpoint?.answersWhileDraining || (endpoint !== undefined && isForAnyone(endpoint))) done();
    else if (browsers.isPreflight(request)) done();
    else if (!hosts.has(hostnameOf(host))) done(hostRefused());
    else if (origin !== undefined && !origins.has(origin)) done(originRefused());
    else done();
  };
}

const pathOf = (url: string): string => url.split('?', 1)[0] as string;

const hostnameOf = (host: string): string => {
  const url = `http://${host}`;
  return URL.canParse(url) ? new URL(url).hostname : '';
};
