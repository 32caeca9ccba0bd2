import { fileURLToPath } from 'node:url';
import type { FastifyRequest } from 'fastify';
import { traceparentOf } from '#observability/http-span.ts';
import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import {
  type ConsoleAccess,
  type ConsoleAccessPorts,
  type ConsoleRenewals,
  consoleAccess,
  consoleCredential,
  consoleUser,
  leaveConsole,
} from '#services/core/oauth/console/console-access.ts';
import {
  beginConsoleSignInEndpoint,
  consoleFileUnknown,
  consoleNotBuilt,
  deleteAsConsoleEndpoint,
  finishConsoleSignInEndpoint,
  leaveConsoleEndpoint,
  openConsoleEndpoint,
  openConsolePageEndpoint,
  patchAsConsoleEndpoint,
  postAsConsoleEndpoint,
  putAsConsoleEndpoint,
  readAsConsoleEndpoint,
  readConsoleFileEndpoint,
  readConsoleSessionEndpoint,
} from '#services/core/oauth/console/console-contract.ts';
import { clearedConsoleCookie } from '#services/core/oauth/console/console-session.ts';
import { beginConsoleSignIn, consolePlace, finishConsoleSignIn } from '#services/core/oauth/console/console-sign-in.ts';
import type { Caller } from '#services/core/ports.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { styleOf } from '#services/pages/page.ts';
import { sourcesOf } from '#services/pages/page-headers.ts';
import { consoleProblemPage } from '#services/pages/pages.ts';
import type { WingSettings } from '#services/platform/config/wings.ts';
import { originRefused, routeUnknown, unauthenticated } from '#services/platform/errors.ts';
import type { Brand } from '#services/platform/html/brand.ts';
import { bind, bindPage, type RouteContext } from '../bind.ts';
import { goTo, showPage } from '../requests/browser-form.ts';
import { type CallerResolver, passedOn } from '../requests/caller.ts';
import { type ConsoleFile, type ConsoleFiles, readConsoleFiles } from '../requests/console-files.ts';
import { rawBodyOf } from '../requests/raw-body.ts';
import { signOutHere } from '../requests/sign-out-here.ts';

type ConsoleRoutesPorts = ConsoleAccessPorts &
  SignInPorts &
  HasStepUp & { readonly wings: WingSettings; readonly brand: Brand; readonly version: string };

const BUILT = fileURLToPath(new URL('../../../console/dist', import.meta.url));
const API = '/console/api';

/** No inline script, one style of ours, no other origin but the logo's, no string becomes markup or code (Trusted Types). */
const pageHeadersOf = (style: string, { logoUrl = '' }: Brand) => ({
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    `style-src ${sourcesOf([style], true)}`,
    `img-src 'self' ${logoUrl}`.trim(),
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
});
const FILE_HEADERS = { 'cache-control': 'public, max-age=31536000, immutable', vary: 'Origin, Accept-Encoding' };

/** What the operation gets of the request; no credential and no address of a proxy is among it. */
const PASSED_ON =
  'accept accept-language content-type idempotency-key if-match if-none-match last-event-id user-agent'.split(' ');
/** What the browser gets of the answer. */
const PASSED_BACK =
  'cache-control content-disposition content-type etag location ratelimit ratelimit-policy retry-after'.split(' ');

const served = (
  { type, plain, gzip }: ConsoleFile,
  headers: Record<string, string>,
  request: FastifyRequest,
): Answer =>
  /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
    ? answer(200, gzip, { ...headers, 'content-type': type, 'content-encoding': 'gzip' })
    : answer(200, plain, { ...headers, 'content-type': type });

/** The admin console: its files, its sign-in, and the API as the user who is signed in there. */
export function consoleRoutes(routes: RouteContext, ports: ConsoleRoutesPorts): void {
  const renewals: ConsoleRenewals = new Map();
  const ownOrigin = new URL(ports.publicUrl).origin;
  const style = styleOf(ports.brand);
  const pageHeaders = pageHeadersOf(style, ports.brand);
  let files: ConsoleFiles | undefined;
  const built = (): ConsoleFiles => {
    files = files?.page === undefined ? readConsoleFiles(BUILT, style) : files;
    return files;
  };

  const open = async (_input: unknown, _caller: unknown, request: FastifyRequest): Promise<Answer> => {
    const { page } = built();
    if (page === undefined) throw consoleNotBuilt();
    return served(page, pageHeaders, request);
  };
  bind(routes, openConsoleEndpoint, open);
  bind(routes, openConsolePageEndpoint, (input, caller, request) => {
    const [path = ''] = (request.raw.url as string).split('?', 1);
    // Another spelling of a page, or of an operation of the console.
    if (consolePlace(path) !== path) throw routeUnknown();
    return open(input, caller, request);
  });
  bind(routes, readConsoleFileEndpoint, ({ params }, _caller, request) => {
    const file = built().assets.get(params.file);
    if (file === undefined) throw consoleFileUnknown();
    return served(file, FILE_HEADERS, request);
  });

  bindPage(routes, beginConsoleSignInEndpoint, async ({ query }) => {
    const step = beginConsoleSignIn(ports, { returnTo: query.return, isFresh: query.fresh === '1' });
    return goTo(step.location, step.setCookie);
  });
  bindPage(routes, finishConsoleSignInEndpoint, async ({ query }, caller, request) => {
    const step = await finishConsoleSignIn(ports, query, request.headers.cookie, caller);
    if (step === null || step === 'refused') return showPage(400, consoleProblemPage(step));
    return goTo(step.location, step.setCookie);
  });

  /**
   * The console's own script alone sends this header: a page of another origin would need our permission for it (Fetch
   * §4.8), and browsers say where a request comes from. Throws `origin_refused` (403).
   */
  function assertOwnScript({ headers }: FastifyRequest): void {
    const { origin, 'sec-fetch-site': site = 'same-origin' } = headers;
    const isOwn = headers['x-sallyport-console'] === '1' && site === 'same-origin';
    if (!isOwn || (origin !== undefined && origin !== ownOrigin)) throw originRefused();
  }

  /** Throws `unauthenticated` (401) once the session has ended, and clears its cookie. */
  async function accessOf(request: FastifyRequest, caller: Caller): Promise<ConsoleAccess> {
    assertOwnScript(request);
    const access = await consoleAccess(ports, renewals, request.headers.cookie, caller);
    if (access !== null) return access;
    throw unauthenticated({
      detail: 'No user is signed in at the console, or the session has ended.',
      headers: { 'set-cookie': clearedConsoleCookie(ports) },
    });
  }

  bind(routes, readConsoleSessionEndpoint, async (_input, caller, request) => {
    const { session, setCookie } = await accessOf(request, caller);
    const { stepUp, wings, brand, version, publicUrl } = ports;
    const shown = {
      ...consoleUser(session),
      step_up_seconds: stepUp.maxAgeSeconds,
      step_up_needs_second_factor: stepUp.needsSecondFactor,
      left_out: [...wings.leftOut],
      brand: brand.name,
      version,
      public_url: publicUrl,
    };
    return answer(200, shown, setCookie.length === 0 ? {} : { 'set-cookie': setCookie });
  });
  bind(routes, leaveConsoleEndpoint, async (_input, caller, request) => {
    assertOwnScript(request);
    const cleared = await leaveConsole(ports, request.headers.cookie, caller);
    return answer(204, null, { 'set-cookie': [...cleared, ...(await signOutHere(ports, request, caller))] });
  });

  const accesses = new WeakMap<FastifyRequest, ConsoleAccess>();
  const beforeBody: CallerResolver = {
    forEndpoint: (endpoint) => {
      const resolve = routes.callers.forEndpoint(endpoint);
      return async (request) => {
        const caller = await resolve(request);
        accesses.set(request, await accessOf(request, caller));
        return caller;
      };
    },
  };

  async function call(_input: unknown, caller: Caller, request: FastifyRequest): Promise<Answer> {
    const { session, setCookie } = accesses.get(request) ?? (await accessOf(request, caller));
    const url = (request.raw.url as string).slice(API.length);
    const method = request.method as 'GET';
    const path = url.split('?', 1)[0] as string;
    // The path that is asked for inside, by the rules of URLs: dots, in whatever spelling, lead nowhere else.
    const { pathname } = new URL(url, ownOrigin);
    if (pathname !== path || !path.startsWith('/v1/')) throw routeUnknown();
    const passed = PASSED_ON.flatMap((name) =>
      request.headers[name] === undefined ? [] : [[name, request.headers[name]]],
    );
    const body = request.body == null ? undefined : rawBodyOf(request);
    const headers = {
      ...Object.fromEntries(passed),
      ...(await consoleCredential(ports, session, { method, path })),
      host: new URL(ports.publicUrl).host,
      traceparent: traceparentOf(request.trace),
    };
    const payload = body === undefined ? {} : { payload: body };
    // Fastify makes the request when it is awaited.
    const response = await passedOn.run(
      request.raw.socket,
      async () =>
        await routes.app.inject({ method, url, remoteAddress: request.ip, headers, ...payload, payloadAsStream: true }),
    );
    const back = PASSED_BACK.flatMap((name) =>
      response.headers[name] === undefined ? [] : [[name, String(response.headers[name])]],
    );
    const stream = response.stream();
    // The operation's own stream does not notice that the browser has left, and would keep its place.
    stream.once('close', () => response.raw.res.destroy());
    return answer(response.statusCode, stream, {
      ...Object.fromEntries(back),
      ...(setCookie.length === 0 ? {} : { 'set-cookie': setCookie }),
    });
  }
  bind(routes, readAsConsoleEndpoint, call);
  for (const endpoint of [postAsConsoleEndpoint, putAsConsoleEndpoint, patchAsConsoleEndpoint, deleteAsConsoleEndpoint])
    bind({ ...routes, beforeBody }, endpoint, call);
}
