import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { endServerSpan, type RequestTrace, runInSpan, startServerSpan } from '#observability/http-span.ts';
import { activeRequests, httpMetrics, type RouteMetric } from '#observability/metrics/http.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import type { HashIdentifier, Log } from '../core/ports.ts';
import { systemClock } from '../platform/crypto/system.ts';
import { BODY_LIMIT, type Endpoint } from '../platform/define/endpoint.ts';
import { type AppError, isAppError } from '../platform/define/error.ts';
import { inexactPartOf } from '../platform/define/inexact-json.ts';
import { bodyMalformed, internalError, requestUnreadable, shuttingDown } from '../platform/errors.ts';
import { type Brand, DEFAULT_BRAND } from '../platform/html/brand.ts';
import type { ChallengedResource } from '../platform/http/problem.ts';
import { unreadableJson } from '../platform/http/unreadable-json.ts';
import { refuseAbandoned } from './requests/abandoned-requests.ts';
import { type BrowserRules, createBrowserRules } from './requests/browser-rules.ts';
import { readCertificates } from './requests/client-certificate.ts';
import {
  createErrorAnswers,
  type ErrorAnswers,
  fromFramework,
  LONGEST_PARAM,
  passOver,
  type ServedRoute,
} from './requests/error-answers.ts';
import { createFailureLog, isFailure } from './requests/failure-log.ts';
import { parseForm } from './requests/form-body.ts';
import { admitUnrouted, limitRequests, type RequestLimiting } from './requests/rate-limits.ts';
import { keepRawBody } from './requests/raw-body.ts';
import { answerExpectation, answerUnreadable } from './requests/unreadable.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyInstance {
    hashIdentifier: HashIdentifier | undefined;
    brand: Brand;
  }
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyRequest {
    trace: RequestTrace;
    /** Whether the request has been counted and its span ended. */
    isAccounted: boolean;
  }
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyContextConfig {
    endpoint?: Endpoint;
    metric?: RouteMetric;
  }
}

/** Status in metrics and traces for a request whose client has disconnected. */
const CALLER_LEFT = 499;
/** A whole request arrives within this time. */
const REQUEST_MS = 10_000;

const PLACE_CHARACTERS = 200;

/** The refusal of an `exactBody` that not all parsers read alike; null for any other body. */
function inexactness(endpoint: Endpoint | undefined, text: string): AppError | null {
  const part = endpoint?.exactBody && inexactPartOf(text);
  if (endpoint?.exactBody === undefined || part === undefined) return null;
  return endpoint.exactBody({ detail: `At ${cutText(part.at, PLACE_CHARACTERS)}: ${part.why}.` });
}

/** Hears of requests that were refused. */
export type OnRefused = (error: AppError, request: FastifyRequest) => void;

export type AppOptions = {
  readonly log: Log;
  /** Addresses of proxies whose X-Forwarded-For is trusted; if empty, the peer is the client. */
  readonly trustedProxies: readonly string[];
  /** Header in which these proxies forward client certificates; none by default. */
  readonly clientCertHeader?: string | undefined;
  /** What Bearer challenges say of the protected resource. */
  readonly resourceOf?: (request: FastifyRequest) => ChallengedResource;
  /** What pages of other origins may do and read; nothing by default. */
  readonly browsers?: BrowserRules;
  readonly limiting?: RequestLimiting;
  /** How audit events hash addresses and user agents; without it they store neither. */
  readonly hashIdentifier?: HashIdentifier;
  readonly brand?: Brand;
  /** Those of another server of this process, which this one is a part of. */
  readonly inFlight?: Set<FastifyReply>;
  /** Called after the answer of each request that was refused with an error; it may not throw. */
  readonly onRefused?: OnRefused;
  /** Called after the answer of a request that wrote security events, which are committed by then. */
  readonly onAuditWritten?: (trace: RequestTrace) => void;
};

export type App = {
  readonly fastify: FastifyInstance;
  readonly bound: Endpoint[];
  /** All routes that Fastify serves: one entry for each method of an address. */
  readonly routes: readonly ServedRoute[];
  /** Responses to requests received and not yet answered. */
  readonly inFlight: Set<FastifyReply>;
  readonly isDraining: () => boolean;
  /** Whether it is not ready any more, because it will stop: from the notice on. */
  readonly isLeaving: () => boolean;
  /** Stops being ready, so that load balancers send nothing more; every request is still answered. */
  giveNotice(): void;
  /**
   * Stops being ready and refuses new requests with 503; running ones continue. After a notice, those that a load balancer
   * is just sending are answered too.
   */
  startDraining(): void;
  /** Waits for running requests up to this long, then closes every connection. */
  drain(longestMs: number): Promise<void>;
};

type Served = Pick<App, 'fastify' | 'isLeaving'> & {
  readonly inFlight: Set<FastifyReply>;
  readonly isRefusing: () => boolean;
};

/** After a notice, a request on a connection that was open before the drain is answered this long. */
const LATE_MS = 500;
/** Does it then, after the requests that have arrived by then. */
const late = (act: () => void): void => void setTimeout(() => setImmediate(act), LATE_MS).unref();
/** Under a load that never pauses, the listening socket closes all the same. */
const MOST_TURNS = 1_000;

/** The HTTP server without routes: limits, spans, error answers, 404 and 405. */
export function createApp(options: AppOptions): App {
  const browsers = options.browsers ?? createBrowserRules({ origins: new Set(), isTlsOnly: false });
  const bound: Endpoint[] = [];
  const routes: ServedRoute[] = [];
  const errors = createErrorAnswers({ browsers, routes, resourceOf: options.resourceOf });
  const fastify = createFastify(options, browsers, errors);
  fastify.addHook('onRoute', ({ method, url, config }) => {
    for (const each of [method].flat()) routes.push({ method: each, url, endpoint: config?.endpoint });
  });
  let hasGivenNotice = false;
  let draining = false;
  let isRefusing = false;
  const isDraining = (): boolean => draining;
  const isLeaving = (): boolean => hasGivenNotice || draining;
  const inFlight = options.inFlight ?? new Set<FastifyReply>();
  activeRequests.at().observe(() => inFlight.size);
  readBodies(fastify);
  readCertificates(fastify, options.clientCertHeader);
  fastify.decorate('hashIdentifier', options.hashIdentifier);
  fastify.decorate('brand', options.brand ?? DEFAULT_BRAND);
  fastify.decorateRequest('caller', null);
  admitRequests({ fastify, inFlight, isRefusing: () => isRefusing, isLeaving }, options, browsers);
  answerErrors(fastify, options, errors);
  // Node closes idle connections with the listening socket. On one of them a load balancer may be sending a request.
  const closeIdle = fastify.server.closeIdleConnections.bind(fastify.server);
  const closeSilent = silentConnections(fastify.server);
  fastify.server.closeIdleConnections = () => {
    late(closeSilent);
    if (hasGivenNotice) late(closeIdle);
    else closeIdle();
  };

  return {
    fastify,
    bound,
    routes,
    inFlight,
    isDraining,
    isLeaving,
    giveNotice: () => {
      hasGivenNotice = true;
    },
    startDraining: () => {
      draining = true;
      const refuse = (): void => {
        isRefusing = true;
      };
      if (hasGivenNotice) late(refuse);
      else refuse();
      // A connection kept open after its answer would delay the stop up to its limit. This is not done in an onSend
      // hook, which costs every validation a seventh of its time.
      for (const reply of inFlight) if (!reply.raw.headersSent) reply.header('connection', 'close');
    },
    drain: async (longestMs) => {
      const cut = setTimeout(() => fastify.server.closeAllConnections(), longestMs);
      await fastify.close();
      clearTimeout(cut);
    },
  };
}

/** Fastify with the product's limits, whose own refusals are answered as all others. */
function createFastify(options: AppOptions, browsers: BrowserRules, errors: ErrorAnswers): FastifyInstance {
  const fastify = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    return503OnClosing: false,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: 72_000,
    // Node's own refusal has no error code; ours is below. Node would keep only the first of several Host or
    // Authorization headers. A longer time for the headers, as by default, would also be that of the whole request.
    http: { requireHostHeader: false, joinDuplicateHeaders: true, headersTimeout: REQUEST_MS },
    routerOptions: { ignoreDuplicateSlashes: false, ignoreTrailingSlash: false, maxParamLength: LONGEST_PARAM },
    frameworkErrors: (error, request, reply) => {
      request.trace ??= startServerSpan(request.headers, request.method, undefined);
      browsers.apply(request, reply);
      const refuse = (refusal: AppError): void => {
        errors.send(refusal, request, reply);
        endServerSpan(request.trace, reply.statusCode);
      };
      // No hook runs for these requests, so they are counted here.
      const counted = options.limiting ? admitUnrouted(options.limiting, request) : Promise.resolve();
      counted.then(
        () => refuse(fromFramework(error)),
        (refusal) => refuse(isAppError(refusal) ? refusal : internalError({ cause: refusal })),
      );
    },
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket, browsers.headers),
  });
  closeAfterAccepting(fastify.server);
  fastify.server.on('checkExpectation', (_request, response) => answerExpectation(response, browsers.headers));
  return fastify;
}

/**
 * Closes the listening socket just after its connections were accepted. Closing resets those that still wait in its queue,
 * with the request that a load balancer has sent on them and will not repeat.
 */
function closeAfterAccepting(server: FastifyInstance['server']): void {
  let accepted = 0;
  server.on('connection', () => {
    accepted += 1;
  });
  const close = server.close.bind(server);
  // Each turn of the event loop accepts a connection.
  const closeWhenNoneCame = (before: number, turns: number, done: Parameters<typeof close>[0]): void => {
    setImmediate(() => {
      if (accepted === before || turns === MOST_TURNS) close(done);
      else closeWhenNoneCame(accepted, turns + 1, done);
    });
  };
  server.close = (done) => {
    closeWhenNoneCame(-1, 0, done);
    return server;
  };
}

/**
 * Follows the connections of a server. Clients open some in advance; Node does not count one as idle before its first
 * request, and it would delay the stop up to its limit.
 * @returns closes those that have sent nothing
 */
function silentConnections(server: FastifyInstance['server']): () => void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
  };
}

/** Reads JSON and forms, and keeps the bytes that a signature covers. */
function readBodies(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser(['application/json', 'text/plain']);
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    const { endpoint } = request.routeOptions.config;
    if (bytes.length === 0 && (endpoint?.body === undefined || endpoint.bodyOptional)) done(null, undefined);
    // RFC 8259 §8.1: JSON is UTF-8; decoding would replace invalid bytes by U+FFFD.
    else if (!isUtf8(bytes)) done(bodyMalformed());
    else {
      keepRawBody(request, bytes, endpoint?.keepsBytes !== undefined);
      if (endpoint?.keepsBytes === 'alone') return done(null, bytes);
      const text = bytes.toString('utf8');
      parseJson(request, text, (err, value) =>
        done(err === null ? inexactness(endpoint, text) : unreadableJson(err, text), value),
      );
    }
  });
  fastify.addContentTypeParser('application/secevent+jwt', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseForm(body as Buffer));
    } catch (err) {
      done(err as Error);
    }
  });
}

/** Gives each request its span, its place among the running ones and its accounting, and refuses what is not admitted. */
function admitRequests(served: Served, options: AppOptions, browsers: BrowserRules): void {
  const { fastify, inFlight, isRefusing, isLeaving } = served;
  const admitFresh = refuseAbandoned(fastify, systemClock);
  const account = createAccounting(options.onAuditWritten);
  fastify.decorateRequest('trace', undefined as unknown as RequestTrace);
  fastify.decorateRequest('isAccounted', false);
  fastify.addHook('onRequest', (request, reply, done) => {
    request.trace = startServerSpan(request.headers, request.method, request.routeOptions.url);
    browsers.apply(request, reply);
    inFlight.add(reply);
    // Fastify does not call onResponse if the client disconnects before or during the response.
    reply.raw.once('close', () => {
      inFlight.delete(reply);
      account(request, reply, reply.raw.headersSent ? reply.raw.statusCode : CALLER_LEFT);
    });
    if (isLeaving()) reply.header('connection', 'close');
    const { host } = request.headers;
    if (host === undefined ? request.raw.httpVersion === '1.1' : host.includes(','))
      done(requestUnreadable({ detail: 'The request names no Host, or several.', headers: { connection: 'close' } }));
    else if (isRefusing() && !request.routeOptions.config.endpoint?.answersWhileDraining)
      done(shuttingDown({ retryAfterSeconds: 1, headers: { connection: 'close' } }));
    else admitFresh(request, done);
  });
  if (options.limiting) limitRequests(fastify, options.limiting);
  fastify.addHook('preValidation', (request, _reply, done) => runInSpan(request.trace, done));
  fastify.addHook('onResponse', (request, reply, done) => {
    account(request, reply, reply.statusCode);
    done();
  });
}

/** Records a finished request once, at its response or at its disconnection, whichever comes first. */
function createAccounting(onAuditWritten: AppOptions['onAuditWritten']) {
  return (request: FastifyRequest, reply: FastifyReply, status: number): void => {
    if (request.isAccounted) return;
    request.isAccounted = true;
    // Shared work and timers that it has started continue after the answer.
    request.trace.storeMsLeft = undefined;
    endServerSpan(request.trace, status);
    if (request.trace.writesAudit) onAuditWritten?.(request.trace);
    const { config } = request.routeOptions;
    const seconds = reply.elapsedTime / 1_000;
    if (config.endpoint === undefined) httpMetrics.unmatched(request.method).record(status, seconds);
    else {
      config.metric ??= httpMetrics.route(config.endpoint.method, config.endpoint.path);
      config.metric.record(status, seconds, request.trace.sampled ? request.trace.traceId : undefined);
    }
  };
}

/** Answers errors and unknown paths, and logs failures. */
function answerErrors(
  fastify: FastifyInstance,
  { log, onRefused }: Pick<AppOptions, 'log' | 'onRefused'>,
  errors: ErrorAnswers,
): void {
  const logFailure = createFailureLog(log, systemClock);
  fastify.setErrorHandler((error: FastifyError | AppError, request, reply) => {
    const known = isAppError(error) ? error : fromFramework(error, request.routeOptions.bodyLimit);
    if (known.code === 'body_too_large') passOver(request, reply);
    // If no route matches, the error is the missing route, not the body.
    if (request.is404 && !isAppError(error)) return errors.sendUnknown(request, reply);
    if (isFailure(known)) logFailure(known, error, request.routeOptions.config.endpoint?.operation);
    errors.send(known, request, reply);
    onRefused?.(known, request);
  });
  fastify.setNotFoundHandler(errors.sendUnknown);
}
