import { resolve } from 'node:path';
import { createDenialLog } from '../core/access/record-denial.ts';
import { readProductionGaps } from '../core/health/production-gaps.ts';
import { modulesOf } from '../modules.ts';
import type { ConfigProblem } from '../platform/config/config-error.ts';
import type { Config } from '../platform/config/load.ts';
import { type App, createApp, type OnRefused } from './app.ts';
import type { RouteContext } from './bind.ts';
import { bindOperations } from './bind-operations.ts';
import type { Composed } from './compose.ts';
import { createBrowserRules } from './requests/browser-rules.ts';
import { createCallerResolver } from './requests/caller.ts';
import { keepPagesToOwnHost } from './requests/own-host.ts';
import { identifyBy, limitCallers } from './requests/rate-limits.ts';
import { createCallerRecheck } from './requests/recheck-caller.ts';
import { refusedRequest } from './requests/refused-request.ts';
import { useProofsOnce } from './requests/use-proofs-once.ts';
import { accountsRoutes } from './routes/accounts.ts';
import { apiKeysRoutes } from './routes/api-keys.ts';
import { auditRoutes } from './routes/audit.ts';
import { clientRoutes } from './routes/better-auth-client.ts';
import { clientPasskeyRoutes } from './routes/better-auth-passkeys.ts';
import { bridgePagesRoutes } from './routes/bridge-pages.ts';
import { consoleRoutes } from './routes/console.ts';
import { docsRoutes } from './routes/docs.ts';
import { factorsRoutes } from './routes/factors.ts';
import { healthRoutes } from './routes/health.ts';
import { identityRoutes } from './routes/identity.ts';
import { keysRoutes } from './routes/keys.ts';
import { legacyRoutes } from './routes/legacy.ts';
import { metadataRoutes } from './routes/metadata.ts';
import { oauthRoutes } from './routes/oauth.ts';
import { oauthClientsRoutes } from './routes/oauth-clients.ts';
import { oauthPagesRoutes } from './routes/oauth-pages.ts';
import { boardRoutes, queuePorts } from './routes/queues.ts';
import { revocationsRoutes } from './routes/revocations.ts';
import { securityRoutes } from './routes/security.ts';
import { signalsRoutes } from './routes/signals.ts';
import { signOffPagesRoutes } from './routes/signoff-pages.ts';
import { socialRoutes } from './routes/social.ts';
import { startRoutes } from './routes/start.ts';
import { tokensRoutes } from './routes/tokens.ts';

type About = {
  readonly publicUrl: string;
  readonly version: string;
  /** Settings that production would refuse, for the start page of a development installation. */
  readonly missingSettings?: readonly ConfigProblem[];
};

/** The complete API over composed ports, ready to listen. */
export function createServer(composed: Composed, config: Config, about: About): App {
  const { ports, authenticators } = composed;
  const onRefused: OnRefused = (error, request) => {
    // Its answer may not depend on whether it can be counted.
    try {
      const refused = refusedRequest(request);
      if (refused !== undefined) ports.clientRefusals.add(error, refused);
    } catch (err) {
      ports.log.warn({ err }, 'counting a refusal failed');
    }
  };
  const resource = { metadata: `${about.publicUrl}/.well-known/oauth-protected-resource` };
  const app = createApp({
    log: ports.log,
    trustedProxies: config.server.trustedProxies,
    clientCertHeader: config.server.clientCertHeader,
    resourceOf: () => resource,
    limiting: { limits: ports.limits, identify: identifyBy(authenticators) },
    hashIdentifier: ports.hashIdentifier,
    brand: config.brand,
    onAuditWritten: composed.wakeSealing,
    onRefused,
    browsers: createBrowserRules({
      origins: ports.auth.browser.trustedOrigins,
      isTlsOnly: config.server.profile !== 'development' && about.publicUrl.startsWith('https:'),
    }),
  });
  keepPagesToOwnHost(app.fastify, { publicUrl: about.publicUrl, origins: new Set(ports.auth.browser.trustedOrigins) });
  const known = createCallerResolver(authenticators, ports.stepUp);
  const routes: RouteContext = {
    app: app.fastify,
    // A key may sign the body.
    callers: limitCallers(useProofsOnce(ports, composed.apiKeyGate.guard(known)), ports.limits),
    beforeBody: limitCallers(known, ports.limits, true),
    bound: app.bound,
    once: ports,
    replica: composed.replica,
    recordDenial: createDenialLog(ports),
    onRefused,
    writeMs: config.stores.writeMs,
  };
  addRoutes(routes, app, { composed, config, about });
  return app;
}

function addRoutes(
  routes: RouteContext,
  { isLeaving }: Pick<App, 'isLeaving'>,
  { composed, config, about }: { readonly composed: Composed; readonly config: Config; readonly about: About },
): void {
  const { ports, authenticators, stores, producer, operations, rowLetters } = composed;
  const readiness = {
    revocations: ports.revocations,
    isKeyRingFresh: () => ports.keyRing.isFresh(),
    isDirectoryFresh: () => ports.access.isFresh(),
    isRedisReady: () => stores.redis.isReady(),
    replicaState: composed.replica?.state,
    isDraining: isLeaving,
  };
  const { missingSettings = [] } = about;
  const modules = modulesOf(config.wings);
  const gaps = {
    gaps: () => readProductionGaps(ports, missingSettings, modules),
    firstSteps: Object.assign({}, ...modules.map(({ firstSteps }) => firstSteps)),
  };
  bindOperations(routes, operations, { ...ports, ...queuePorts({ ...ports, producer, rowLetters }), ...gaps });
  healthRoutes(routes, readiness);
  startRoutes(routes, {
    ...readiness,
    sql: ports.sql,
    missingSettings,
    isDevelopment: config.server.profile === 'development',
    keepsMails: config.mail.smtpUrl === undefined,
    dataDir: resolve(config.server.dataDir),
    publicUrl: config.server.publicUrl,
    leftOut: config.wings.leftOut,
    hasConsole: config.faces.console,
  });
  metadataRoutes(routes, ports);
  keysRoutes(routes, ports);
  apiKeysRoutes(routes, ports);
  identityRoutes(routes, ports);
  clientRoutes(routes, ports);
  clientPasskeyRoutes(routes, ports);
  factorsRoutes(routes, ports);
  accountsRoutes(routes, ports);
  socialRoutes(routes, ports);
  tokensRoutes(routes, ports);
  oauthRoutes(routes, ports);
  oauthPagesRoutes(routes, { ...ports, hasConsole: config.faces.console });
  oauthClientsRoutes(routes, ports);
  revocationsRoutes(routes, ports);
  auditRoutes(routes, { ...ports, tileMemoryBytes: config.audit.tileMemoryMegabytes * 1_048_576 });
  const recheckCaller = createCallerRecheck(authenticators);
  securityRoutes(routes, { ...ports, recheckCaller });
  /** What of a module is more than request, rule, answer. */
  const byHand: Readonly<Record<string, () => void>> = {
    signoff: () => signOffPagesRoutes(routes, ports),
    import: () => {
      legacyRoutes(routes, ports);
      bridgePagesRoutes(routes, ports);
    },
    'outbound/signals': () => signalsRoutes(routes, { ...ports, recheckCaller }),
  };
  for (const { name } of modules) byHand[name]?.();
  if (config.faces.console) consoleRoutes(routes, { ...ports, brand: config.brand, version: about.version });
  boardRoutes(routes, { ...ports, producer });
  docsRoutes(routes, { ...about, sessionCookie: ports.auth.browser.sessionCookie });
}
