import { isUtf8 } from 'node:buffer';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { endServerSpan, type RequestTrace, runInSpan, startServerSpan } from '#observability/http-span.ts';
import { activeRequests, httpMetrics, type RouteMetric } from '#observability/metrics/http.ts';
import type { HashIdentifier, Log } from '../domain/ports.ts';
import { systemClock } from '../platform/crypto/system.ts';
import type { Endpoint } from '../platform/define/endpoint.ts';
import { type AppError, isAppError } from '../platform/define/error.ts';
import {
  bodyMalformed,
  bodyTooLarge,
  contentTypeUnsupported,
  internalError,
  methodNotAllowed,
  requestInvalid,
  requestUnreadable,
  routeUnknown,
  shuttingDown,
} from '../platform/errors.ts';
import { type Brand, DEFAULT_BRAND } from '../platform/html/brand.ts';
import { inexactPartOf } from '../platform/http/inexact-json.ts';
import { errorAnswer } from '../platform/http/problem.ts';
import { refuseAbandoned } from './requests/abandoned-requests.ts';
import { problemPage } from './requests/browser-form.ts';
import { type BrowserRules, createBrowserRules, isForAnyone } from './requests/browser-rules.ts';
import { readCertificates } from './requests/client-certificate.ts';
import { sentCredential } from './requests/credentials.ts';
import { createFailureLog, isFailure } from './requests/failure-log.ts';
import { parseForm } from './requests/form-body.ts';
import { rendered } from './requests/page-view.ts';
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

const PLACE_CHARACTERS = 200;

/** The refusal of an `exactBody` that not all parsers read alike; null for any other body. */
function inexactness(endpoint: Endpoint | undefined, text: string): AppError | null {
  const part = endpoint?.exactBody && inexactPartOf(text);
  if (endpoint?.exactBody === undefined || part === undefined) return null;
  return endpoint.exactBody({ detail: `At ${part.at.slice(0, PLACE_CHARACTERS)}: ${part.why}.` });
}

export type AppOptions = {
  readonly log: Log;
  /** Addresses of proxies whose X-Forwarded-For is trusted; if empty, the peer is the client. */
  readonly trustedProxies: readonly string[];
  /** Header in which these proxies forward client certificates; none by default. */
  readonly clientCertHeader?: string | undefined;
  /** URL of the protected resource metadata, named by Bearer challenges. */
  readonly resourceMetadata?: string;
  /** What pages of other origins may do and read; nothing by default. */
  readonly browsers?: BrowserRules;
  /** Rate limits of every request. */
  readonly limiting?: RequestLimiting;
  /** How audit events hash addresses and user agents; without it they store neither. */
  readonly hashIdentifier?: HashIdentifier;
  /** Appearance of the pages. */
  readonly brand?: Brand;
  /** Called after the answer of a request that wrote security events, which are committed by then. */
  readonly onAuditWritten?: (trace: RequestTrace) => void;
};

type ServedRoute = { readonly method: string; readonly url: string; readonly endpoint: Endpoint | undefined };

export type App = {
  readonly fastify: FastifyInstance;
  readonly bound: Endpoint[];
  /** All routes that Fastify serves: one entry for each method of an address. */
  readonly routes: readonly ServedRoute[];
  /** Responses to requests received and not yet answered. */
  readonly inFlight: ReadonlySet<FastifyReply>;
  readonly isDraining: () => boolean;
  /** Stops being ready and refuses new requests with 503; running ones continue. */
  startDraining(): void;
  /** Waits for running requests up to this long, then closes every connection. */
  drain(longestMs: number): Promise<void>;
};

/** Longest value of a path parameter, characters. */
const LONGEST_PARAM = 256;

/** The HTTP server without routes: limits, spans, error answers, 404 and 405. */
export function createApp(options: AppOptions): App {
  const browsers = options.browsers ?? createBrowserRules({ origins: [], isTlsOnly: false });
  const fastify = Fastify({
    logger: false,
    bodyLimit: 65_536,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    return503OnClosing: false,
    requestTimeout: 10_000,
    keepAliveTimeout: 72_000,
    // Node's own refusal has no error code; ours is below. Node would keep only the first of several Host or
    // Authorization headers.
    http: { requireHostHeader: false, joinDuplicateHeaders: true },
    routerOptions: { ignoreDuplicateSlashes: false, ignoreTrailingSlash: false, maxParamLength: LONGEST_PARAM },
    frameworkErrors: (error, request, reply) => {
      request.trace ??= startServerSpan(request.headers, request.method, undefined);
      browsers.apply(request, reply);
      const refuse = (refusal: AppError): void => {
        sendError(refusal, request, reply);
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
  fastify.server.on('checkExpectation', (_request, response) => answerExpectation(response, browsers.headers));
  const bound: Endpoint[] = [];
  const routes: ServedRoute[] = [];
  fastify.addHook('onRoute', ({ method, url, config }) => {
    for (const each of [method].flat()) routes.push({ method: each, url, endpoint: config?.endpoint });
  });
  /** Records a finished request once, at its response or at its disconnection, whichever comes first. */
  function account(request: FastifyRequest, reply: FastifyReply, status: number): void {
    if (request.isAccounted) return;
    request.isAccounted = true;
    // Shared work and timers that it has started continue after the answer.
    request.trace.storeMsLeft = undefined;
    endServerSpan(request.trace, status);
    if (request.trace.writesAudit) options.onAuditWritten?.(request.trace);
    const { config } = request.routeOptions;
    const seconds = reply.elapsedTime / 1_000;
    if (config.endpoint === undefined) httpMetrics.unmatched(request.method).record(status, seconds);
    else {
      config.metric ??= httpMetrics.route(config.endpoint.method, config.endpoint.path);
      config.metric.record(status, seconds, request.trace.sampled ? request.trace.traceId : undefined);
    }
  }

  const logFailure = createFailureLog(options.log, systemClock);
  let draining = false;
  const inFlight = new Set<FastifyReply>();
  activeRequests.at().observe(() => inFlight.size);
  const admitFresh = refuseAbandoned(fastify, systemClock);

  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser(['application/json', 'text/plain']);
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    const { endpoint } = request.routeOptions.config;
    if (bytes.length === 0 && (endpoint?.body === undefined || endpoint.bodyOptional)) done(null, undefined);
    // RFC 8259 §8.1: JSON is UTF-8; decoding would replace invalid bytes by U+FFFD.
    else if (!isUtf8(bytes)) done(bodyMalformed());
    else {
      keepRawBody(request, bytes);
      const text = bytes.toString('utf8');
      parseJson(request, text, (err, value) => done(err ?? inexactness(endpoint, text), value));
    }
  });
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseForm(body as Buffer));
    } catch (err) {
      done(err as Error);
    }
  });
  readCertificates(fastify, options.clientCertHeader);

  fastify.decorateRequest('trace', undefined as unknown as RequestTrace);
  fastify.decorate('hashIdentifier', options.hashIdentifier);
  fastify.decorate('brand', options.brand ?? DEFAULT_BRAND);
  fastify.decorateRequest('caller', null);
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
    if (draining) reply.header('connection', 'close');
    const { host } = request.headers;
    if (host === undefined ? request.raw.httpVersion === '1.1' : host.includes(','))
      done(requestUnreadable({ detail: 'The request names no Host, or several.', headers: { connection: 'close' } }));
    else if (draining && !request.routeOptions.config.endpoint?.answersWhileDraining)
      done(shuttingDown({ retryAfterSeconds: 1, headers: { connection: 'close' } }));
    else admitFresh(request, done);
  });
  if (options.limiting) limitRequests(fastify, options.limiting);
  fastify.addHook('preValidation', (request, _reply, done) => runInSpan(request.trace, done));
  fastify.addHook('onResponse', (request, reply, done) => {
    account(request, reply, reply.statusCode);
    done();
  });

  const keepsOAuth = (endpoint: Endpoint | undefined): boolean => endpoint?.oauthErrors === true;

  function sendError(
    error: AppError,
    request: FastifyRequest,
    reply: FastifyReply,
    oauth = keepsOAuth(request.routeOptions?.config?.endpoint),
  ): void {
    const sent = sentCredential(request.headers);
    const { status, headers, body } = errorAnswer(error, {
      traceId: request.trace.traceId,
      oauth,
      sent: sent.kind === 'malformed' ? 'none' : sent.kind,
      resourceMetadata: options.resourceMetadata,
      hasMessage: request.url.startsWith('/api/auth/'),
    });
    const page = problemPage(error, request);
    // Serialised here, because the route's schemas describe successful responses only.
    reply.code(status).headers(headers).serializer(String);
    if (page === null) reply.send(JSON.stringify(body));
    else {
      const shown = rendered(page, request);
      reply.headers(shown.headers as Record<string, string>).send(shown.body);
    }
  }

  fastify.setErrorHandler((error: FastifyError | AppError, request, reply) => {
    const known = isAppError(error) ? error : fromFramework(error);
    if (known.code === 'body_too_large') passOver(request, reply);
    // If no route matches, the error is the missing route, not the body.
    if (request.is404 && !isAppError(error)) return answerUnknown(request, reply);
    if (isFailure(known)) logFailure(known, error, request.routeOptions.config.endpoint?.operation);
    sendError(known, request, reply);
  });

  function answerUnknown(request: FastifyRequest, reply: FastifyReply): void {
    const url = request.url.split('?', 1)[0] ?? '';
    const known = routes.filter((route) => patternOf(route).test(url));
    const methods = METHODS.filter((method) => known.some((route) => route.method === method));
    const allow = methods.join(', ');
    if (browsers.isPreflight(request)) {
      const path = {
        methods,
        isForAnyone: known.length > 0 && known.every(({ endpoint }) => endpoint !== undefined && isForAnyone(endpoint)),
      };
      const refusal = browsers.preflight(request, reply, path);
      if (refusal !== null) sendError(refusal, request, reply);
      return;
    }
    // The error format of the path, even though no route matched.
    const oauth = known.some(({ endpoint }) => keepsOAuth(endpoint));
    sendError(allow === '' ? routeUnknown() : methodNotAllowed({ headers: { allow } }), request, reply, oauth);
  }
  fastify.setNotFoundHandler(answerUnknown);

  return {
    fastify,
    bound,
    routes,
    inFlight,
    isDraining: () => draining,
    startDraining: () => {
      draining = true;
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

/**
 * Maximum bytes of a too large body to read and discard, so that the client finishes writing and receives the response.
 */
const PASSED_OVER_MAX = 16 * 1_048_576;

/** Closing a connection with unread bytes resets it, and the answer is lost (RFC 9112 §9.6). */
function passOver(request: FastifyRequest, reply: FastifyReply): void {
  if (Number(request.headers['content-length'] ?? 0) > PASSED_OVER_MAX) reply.header('connection', 'close');
  else request.raw.resume();
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

const patterns = new WeakMap<ServedRoute, RegExp>();
function patternOf(route: ServedRoute): RegExp {
  const known = patterns.get(route);
  if (known) return known;
  const made = new RegExp(
    `^${route.url
      .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/:\w+/g, '[^/]+')
      .replace(/\*$/, '.*')}$`,
  );
  patterns.set(route, made);
  return made;
}

type FrameworkError = {
  readonly code?: string;
  readonly statusCode?: number;
  readonly validation?: readonly unknown[];
  readonly validationContext?: string;
};

/** Maps Fastify's errors to ours; any error that the client did not cause is a server error. */
function fromFramework(error: FrameworkError & Error): AppError {
  if (error.validation) {
    const [first] = error.validation as readonly {
      instancePath?: string;
      message?: string;
      params?: Record<string, unknown>;
    }[];
    const member = first?.params?.additionalProperty ?? first?.params?.missingProperty;
    const at = `${error.validationContext ?? 'body'}${first?.instancePath ?? ''}${typeof member === 'string' ? `/${member.slice(0, 64)}` : ''}`;
    return requestInvalid({ problems: [{ at, why: first?.message ?? 'does not fit' }] });
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return bodyTooLarge();
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return contentTypeUnsupported();
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return requestInvalid({
        problems: [{ at: 'params', why: `must NOT have more than ${LONGEST_PARAM} characters` }],
      });
    case 'FST_ERR_BAD_URL':
      return routeUnknown({ detail: 'The address is not valid.' });
    default:
      return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
        ? bodyMalformed({ cause: error })
        : internalError({ cause: error });
  }
}
