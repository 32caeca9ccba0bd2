import type { FastifyRequest } from 'fastify';
import { type ProductionGap, readProductionGaps } from '#services/core/health/production-gaps.ts';
import { type ReadinessSources, readReadiness } from '#services/core/health/readiness.ts';
import {
  listDevMailsEndpoint,
  showDevMailEndpoint,
  showStartEndpoint,
} from '#services/core/health/start-page-contract.ts';
import type { Ports } from '#services/core/ports.ts';
import { modulesOf } from '#services/modules.ts';
import { devMailPage, devMailsPage, startPage } from '#services/pages/start-pages.ts';
import type { ConfigProblem } from '#services/platform/config/config-error.ts';
import type { WingSettings } from '#services/platform/config/wings.ts';
import { routeUnknown } from '#services/platform/errors.ts';
import { credentialsFileOf, readDemoLogin } from '#services/platform/local/demo-login.ts';
import { readMail } from '#services/platform/mail/decode.ts';
import { listMailFiles, mailFolderOf, readMailFile } from '#services/platform/mail/file-outbox.ts';
import { bind, type RouteContext } from '../bind.ts';
import { showPage, wantsPage } from '../requests/browser-form.ts';
import { isLocalAddress, isSameMachine } from '../requests/same-machine.ts';

export type StartRoutesDeps = ReadinessSources &
  Pick<Ports, 'sql'> & {
    /** Settings that production would refuse. */
    readonly missingSettings: readonly ConfigProblem[];
    readonly isDevelopment: boolean;
    /** Whether mails are written to files. */
    readonly keepsMails: boolean;
    readonly dataDir: string;
    /** As set; undefined for the address that the API listens on. */
    readonly publicUrl: string | undefined;
    readonly leftOut: WingSettings['leftOut'];
    readonly hasConsole: boolean;
  };

/** Newest mails in the list. */
const LISTED = 50;

/** The start page, and in development the mails that were not sent. */
export function startRoutes(routes: RouteContext, deps: StartRoutesDeps): void {
  const { keepsMails, dataDir, hasConsole } = deps;
  // An installation with a public address has a proxy, which may forward requests as if they were its own.
  const isDevelopment = deps.isDevelopment && (deps.publicUrl === undefined || isLocalAddress(deps.publicUrl));
  const folder = mailFolderOf(dataDir);
  const isDeveloper = (request: FastifyRequest): boolean => isDevelopment && isSameMachine(request);
  /** Mails contain codes that open accounts: in production, and for another machine, there is no such page. */
  const assertDeveloper = (request: FastifyRequest): void => {
    if (!keepsMails || !isDeveloper(request)) throw routeUnknown();
  };

  /** Without PostgreSQL the page still shows the components and the settings. */
  const gaps = (): Promise<readonly ProductionGap[]> =>
    readProductionGaps(deps, deps.missingSettings, modulesOf(deps)).catch(() =>
      deps.missingSettings.map(({ env, problem, fix }) => ({ name: env, why: problem, fix })),
    );

  bind(routes, showStartEndpoint, async (_input, _caller, request) => {
    if (!wantsPage(request)) throw routeUnknown();
    const { status, components } = readReadiness(deps);
    const credentials = credentialsFileOf(dataDir);
    const logins = {
      demo: readDemoLogin(credentials),
      admin: hasConsole ? readDemoLogin(credentials, 'admin') : undefined,
    };
    const development = isDeveloper(request)
      ? { components, ...logins, showsMails: keepsMails, gaps: await gaps(), leftOut: deps.leftOut }
      : undefined;
    return showPage(200, startPage({ isReady: status === 'ready', hasConsole, development }));
  });

  bind(routes, listDevMailsEndpoint, async (_input, _caller, request) => {
    assertDeveloper(request);
    const names = (await listMailFiles(folder)).slice(-LISTED).reverse();
    const mails = names.map(async (name) => ({ name, ...readMail((await readMailFile(folder, name)) ?? '') }));
    return showPage(200, devMailsPage(await Promise.all(mails)));
  });

  bind(routes, showDevMailEndpoint, async ({ params }, _caller, request) => {
    assertDeveloper(request);
    const mail = await readMailFile(folder, params.mail);
    if (mail === undefined) throw routeUnknown();
    return showPage(200, devMailPage(readMail(mail)));
  });
}
