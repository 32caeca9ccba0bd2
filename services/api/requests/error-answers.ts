import type { ErrorObject } from 'ajv';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BODY_LIMIT, type Endpoint } from '../../platform/define/endpoint.ts';
import type { AppError } from '../../platform/define/error.ts';
import {
  bodyMalformed,
  bodyTooLarge,
  contentTypeUnsupported,
  internalError,
  methodNotAllowed,
  requestInvalid,
  routeUnknown,
} from '../../platform/errors.ts';
import { type ChallengedResource, errorAnswer } from '../../platform/http/problem.ts';
import { schemaProblems } from '../../platform/http/schema-problems.ts';
import { problemPage } from './browser-form.ts';
import { type BrowserRules, isForAnyone } from './browser-rules.ts';
import { sentCredential } from './credentials.ts';
import { rendered } from './page-view.ts';

export type ServedRoute = { readonly method: string; readonly url: string; readonly endpoint: Endpoint | undefined };

type ErrorAnswerOptions = {
  readonly browsers: BrowserRules;
  /** All routes that are served, for 404 and 405. */
  readonly routes: readonly ServedRoute[];
  /** What Bearer challenges say of the protected resource. */
  readonly resourceOf: ((request: FastifyRequest) => ChallengedResource) | undefined;
};

export type ErrorAnswers = {
  send(error: AppError, request: FastifyRequest, reply: FastifyReply, oauth?: boolean): void;
  /** Answers a request that no route matches: 404, 405 or a preflight. */
  sendUnknown(request: FastifyRequest, reply: FastifyReply): void;
};

const keepsOAuth = (endpoint: Endpoint | undefined): boolean => endpoint?.oauthErrors === true;

/** Sends errors in the format of their endpoint: problem details, OAuth errors, or a page. */
export function createErrorAnswers({ browsers, routes, resourceOf }: ErrorAnswerOptions): ErrorAnswers {
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
      resource: resourceOf?.(request),
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

  return { send: sendError, sendUnknown: answerUnknown };
}

/** Longest value of a path parameter, characters. */
export const LONGEST_PARAM = 256;

/**
 * Maximum bytes of a too large body to read and discard, so that the client finishes writing and receives the response.
 */
const PASSED_OVER_MAX = 16 * 1_048_576;

/** Closing a connection with unread bytes resets it, and the answer is lost (RFC 9112 §9.6). */
export function passOver({ raw, headers }: FastifyRequest, reply: FastifyReply): void {
  if (Number(headers['content-length'] ?? 0) > PASSED_OVER_MAX) return void reply.header('connection', 'close');
  // Of a client that asked for the close, the connection is closed once it is idle.
  reply.raw.shouldKeepAlive = true;
  raw.resume();
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
export function fromFramework(error: FrameworkError & Error, bodyLimit = BODY_LIMIT): AppError {
  if (error.validation) {
    const problems = schemaProblems(error.validation as ErrorObject[], error.validationContext ?? 'body');
    return requestInvalid({ problems });
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return bodyTooLarge({ detail: `At most ${bodyLimit.toLocaleString('en')} bytes.` });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return contentTypeUnsupported();
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return requestInvalid({ problems: [{ at: 'params', why: `may have at most ${LONGEST_PARAM} characters` }] });
    case 'FST_ERR_BAD_URL':
      return routeUnknown({ detail: 'The address is not valid.' });
    default:
      return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
        ? bodyMalformed({ cause: error })
        : internalError({ cause: error });
  }
}
