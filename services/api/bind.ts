import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, preValidationHookHandler, RouteOptions } from 'fastify';
import { z } from 'zod';
import { runInSpan } from '#observability/http-span.ts';
import { Answer, JsonText } from '#services/core/shared/answer.ts';
import type { RecordDenial } from '../core/access/record-denial.ts';
import type { Caller, Sql } from '../core/ports.ts';
import {
  BODY_LIMIT,
  BODY_TYPES,
  type Endpoint,
  type EndpointInput,
  isEventStream,
  isProtocol,
  mayWrite,
  type RateClass,
  rateClassOf,
  whyNotReplica,
} from '../platform/define/endpoint.ts';
import { isAppError } from '../platform/define/error.ts';
import { TOLERANCE } from '../platform/define/tolerance.ts';
import { bodyMalformed, requestInvalid } from '../platform/errors.ts';
import {
  type Compiler,
  compiledWhenUsed,
  serializedWhenUsed,
  serializerOf,
  type Validator,
  validatorCompiler,
} from '../platform/http/schema.ts';
import { unreadableJson } from '../platform/http/unreadable-json.ts';
import type { Replica } from '../platform/postgres/replica.ts';
import type { OnRefused } from './app.ts';
import { asPage } from './requests/browser-form.ts';
import type { CallerResolver } from './requests/caller.ts';
import { namesCredential } from './requests/credentials-in-address.ts';
import { refuseDeclaredBody } from './requests/declared-body.ts';
import { passOver } from './requests/error-answers.ts';
import { answerOnce, type Once, type OncePorts } from './requests/once.ts';
import { PageView, rendered } from './requests/page-view.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyRequest {
    /** The caller, once its permission is checked; null until then and on public routes. */
    caller: Caller | null;
  }
}

export type RouteContext = {
  readonly app: FastifyInstance;
  readonly callers: CallerResolver;
  /** Asks who calls, and for which permission, before a long body is read; `callers` asks again once it is read. */
  readonly beforeBody?: CallerResolver;
  /** Every bound endpoint, for OpenAPI, 405 answers and the route-table tests. */
  readonly bound: Endpoint[];
  /** Stores responses by `Idempotency-Key`; if absent, no endpoint that needs it can be bound. */
  readonly once?: OncePorts;
  /** Answers endpoints that declare it; if absent, the primary does. */
  readonly replica?: Pick<Replica, 'read'> | undefined;
  /** Writes refusals to the audit log before the response is sent. */
  readonly recordDenial?: RecordDenial;
  /** Hears of refusals that are answered as pages and redirects; `createApp` has that of the others. */
  readonly onRefused?: OnRefused;
  /** How long a request that may write waits for PostgreSQL in all; if absent, as long as its statements may. */
  readonly writeMs?: number;
};

type AnyEndpoint = Endpoint;
/** `replica` is given where the endpoint declares it, and replaces every access to the database. */
type Work<E> = (input: EndpointInput<E>, caller: Caller, request: FastifyRequest, replica?: Sql) => unknown;
/** `once` replaces the ports of the same names. */
type WorkOnce<E> = (input: EndpointInput<E>, caller: Caller, once: Once, request: FastifyRequest) => unknown;

/** An endpoint of our own without a declared query accepts none: an ignored parameter could get a meaning later. */
const NO_QUERY = z.strictObject({});
/** Public routes are excepted: probes and caches add their own parameters. */
const ANY_QUERY = z.looseObject({});

/** These compile their schemas before the start, so that no request for or with a token waits for it. */
const COMPILED_AT_START: ReadonlySet<string> = new Set(['token', 'validate'] satisfies RateClass[]);
const isCompiledAtStart = (endpoint: Endpoint): boolean => COMPILED_AT_START.has(rateClassOf(endpoint));

function compilerOf(endpoint: Endpoint): Compiler {
  const compile = validatorCompiler(
    TOLERANCE[`parameters and members of ${isProtocol(endpoint) ? 'a protocol' : 'our own API'}`],
  );
  return isCompiledAtStart(endpoint) ? compile : compiledWhenUsed(compile);
}

/** Fastify passes on the shapes that a route declares, of which its compilers make JSON Schemas. */
function compilersOf(endpoint: Endpoint): Pick<RouteOptions, 'validatorCompiler' | 'serializerCompiler'> {
  const validatorOf = compilerOf(endpoint);
  const serializer = isCompiledAtStart(endpoint) ? serializerOf : serializedWhenUsed;
  return {
    validatorCompiler: ({ schema, httpPart = '' }) => validatorOf({ schema: schema as z.ZodType, httpPart }),
    serializerCompiler: ({ schema }) => serializer(schema as z.ZodType),
  };
}

const isPublicRead = ({ auth, method }: Pick<Endpoint, 'auth' | 'method'>): boolean =>
  auth === 'public' && method === 'GET';

/** OpenAPI's `{name}` as Fastify's `:name`, and the rest of a path as its `*`. */
export const fastifyPath = ({ path, rest }: Pick<Endpoint, 'path' | 'rest'>): string =>
  (rest === undefined ? path : path.replace(`{${rest}}`, '*')).replaceAll(/\{(\w+)\}/g, ':$1');

const responseShapes = ({ responses }: AnyEndpoint): Record<string, z.ZodType> =>
  Object.fromEntries(
    Object.entries(responses).filter((each): each is [string, z.ZodType] => each[1] instanceof z.ZodType),
  );

function send(reply: FastifyReply, result: unknown, successStatus: number): unknown {
  if (result instanceof JsonText) {
    reply.code(successStatus).header('content-type', 'application/json; charset=utf-8').serializer(String);
    return result.text;
  }
  if (result instanceof Answer) {
    const { status, headers, body } = result.body instanceof PageView ? rendered(result, reply.request) : result;
    reply.code(status);
    for (const [name, value] of Object.entries(headers)) reply.header(name, value as string | string[]);
    // A length or type on a 304 would be applied to the cached answer (RFC 9110 §8.6, RFC 9111 §3.2).
    return status === 304 ? reply.send() : (body ?? '');
  }
  reply.code(successStatus);
  // An answer without a body is empty, not the JSON text null.
  return result ?? '';
}

/** Operation names are unique: generated clients and the anchors of the docs use them. */
function register({ bound }: RouteContext, endpoint: AnyEndpoint): void {
  if (!endpoint.auth) throw new Error(`${endpoint.operation} declares neither its auth nor 'public'`);
  if (bound.some(({ operation }) => operation === endpoint.operation))
    throw new Error(`${endpoint.operation} is bound twice`);
  const why = whyNotReplica(endpoint);
  if (why !== undefined) throw new Error(`${endpoint.operation} is no read for a replica: ${why}`);
  bound.push(endpoint);
}

/** Answers HEAD without opening the stream, which would occupy its place without a reader. */
const headOfStream = (reply: FastifyReply): FastifyReply =>
  reply.header('content-type', 'text/event-stream; charset=utf-8').send(Readable.from([]));

/** Options of every route of a contract: address, limits, schemas, content type. */
function routeOf(endpoint: AnyEndpoint): Omit<RouteOptions, 'handler'> {
  const expected = BODY_TYPES[endpoint.bodyType ?? 'json'];
  const isPublic = isPublicRead(endpoint);
  return {
    method: endpoint.method,
    url: fastifyPath(endpoint),
    bodyLimit: endpoint.bodyLimit ?? BODY_LIMIT,
    config: { endpoint },
    schema: {
      ...(endpoint.body && !endpoint.bodyOptional ? { body: endpoint.body } : {}),
      querystring: endpoint.query ?? (isPublic ? ANY_QUERY : NO_QUERY),
      ...(endpoint.params ? { params: endpoint.params } : {}),
      response: responseShapes(endpoint),
    },
    ...compilersOf(endpoint),
    ...(endpoint.rest === undefined ? {} : { preValidation: namesRest(endpoint.rest) }),
    onRequest: (request, _reply, done) => {
      if (!isPublic && namesCredential(request.raw.url as string)) {
        done(requestInvalid({ problems: [{ at: 'querystring', why: 'a credential does not belong in an address' }] }));
        return;
      }
      done(refuseDeclaredBody(request, expected));
    },
  };
}

const namesRest =
  (name: string): preValidationHookHandler =>
  (request, _reply, done) => {
    const { '*': rest, ...params } = request.params as Record<string, unknown>;
    request.params = { ...params, [name]: rest };
    done();
  };

/** What the contract does not declare nothing has validated: it reaches no rule. */
const declaredOf = ({ body, query, params }: AnyEndpoint, request: FastifyRequest) => ({
  body: body && request.body,
  query: query && request.query,
  params: params && request.params,
});

const cacheControlOf = (endpoint: AnyEndpoint): string | null =>
  endpoint.cacheControl === undefined ? 'no-store' : endpoint.cacheControl;

/**
 * Binds a contract to its use-case: schemas, caller, content type, errors and headers.
 * @example bind(routes, validateTokenEndpoint, (input, caller) => validateToken(ports, input.body, caller))
 */
export function bind<E extends AnyEndpoint>(routes: RouteContext, endpoint: E, work: Work<E>): void {
  const { app, callers, recordDenial } = routes;
  register(routes, endpoint);
  const successStatus = Number(Object.keys(endpoint.responses)[0]);
  const cacheControl = cacheControlOf(endpoint);
  const storeMs = mayWrite(endpoint) ? routes.writeMs : undefined;
  const resolve = callers.forEndpoint(endpoint);
  const isStream = isEventStream(endpoint);
  const withDenials = async <T>(request: FastifyRequest, judged: () => T | Promise<T>): Promise<T> => {
    try {
      return await judged();
    } catch (err) {
      if (isAppError(err) && request.identified) await recordDenial?.(request.identified, endpoint, err);
      throw err;
    }
  };
  const ask = (request: FastifyRequest, who: typeof resolve): Promise<Caller> => {
    request.trace.storeMsLeft = storeMs;
    return withDenials(request, () => who(request));
  };
  const { preValidation = [], onRequest = [], ...route } = routeOf(endpoint);
  const isLong = (endpoint.bodyLimit ?? BODY_LIMIT) > BODY_LIMIT;
  const before = isLong ? routes.beforeBody?.forEndpoint(endpoint) : undefined;
  const first = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    try {
      if (before) await runInSpan(request.trace, () => ask(request, before));
    } catch (err) {
      passOver(request, reply);
      throw err;
    }
  };
  const validate = endpoint.body && endpoint.bodyOptional ? bodyValidatorOf(endpoint.body, endpoint) : undefined;
  app.route({
    ...route,
    onRequest: [onRequest, before ? [first] : []].flat(),
    // The caller and its permission before the request: only an allowed caller learns the schema.
    preValidation: [
      ...[preValidation].flat(),
      async (request) => {
        request.caller = await ask(request, resolve);
      },
    ],
    handler: async (request, reply) => {
      const refusal = request.staleness();
      if (refusal !== null) throw refusal;
      if (cacheControl !== null) reply.header('cache-control', cacheControl);
      if (validate && request.body !== undefined) validateBody(validate, request.body);
      if (isStream && request.method === 'HEAD') return headOfStream(reply);
      const input = declaredOf(endpoint, request) as EndpointInput<E>;
      const caller = request.caller as Caller;
      const late = endpoint.reads && (await replicaAnswer(routes, (sql) => work(input, caller, request, sql)));
      if (late) reply.header('as-of', late.asOf);
      const result = late ? late.result : await withDenials(request, () => work(input, caller, request));
      return send(reply, result, successStatus);
    },
  });
}

/** The same for a page, which shows errors as pages too. */
export const bindPage = <E extends AnyEndpoint>(
  routes: RouteContext,
  endpoint: E,
  work: (...request: Parameters<Work<E>>) => Answer | Promise<Answer>,
): void => bind(routes, endpoint, (...request) => asPage(async () => work(...request)));

/**
 * The answer of the replica; undefined where the primary is to answer. An error is never answered from the replica: what
 * it does not know may be there by now.
 */
async function replicaAnswer(
  { replica }: Pick<RouteContext, 'replica'>,
  work: (sql: Sql) => unknown,
): Promise<{ readonly asOf: string; readonly result: unknown } | undefined> {
  const read = await replica?.read();
  if (read === undefined || read.asOf === null) return undefined;
  try {
    return { asOf: read.asOf, result: await work(read.sql) };
  } catch (err) {
    if (isAppError(err)) return undefined;
    throw err;
  }
}

/**
 * The same for a contract that creates something: a retry with the same `Idempotency-Key` gets the same answer.
 * @example bindOnce(routes, createRoleEndpoint, ({ body }, caller, once) => createRole({ ...ports, ...once }, body, caller))
 */
export function bindOnce<E extends AnyEndpoint>(routes: RouteContext, endpoint: E, work: WorkOnce<E>): void {
  const ports = routes.once;
  if (ports === undefined || endpoint.idempotency !== 'answer')
    throw new Error(`${endpoint.operation} does not honour Idempotency-Key`);
  bind(routes, endpoint, (input, caller, request) =>
    answerOnce(ports, { endpoint, caller, request }, (once) => Promise.resolve(work(input, caller, once, request))),
  );
}

/** The validated body; undefined if none was sent. Throws 400 for an invalid one. */
type ParseBody<E> = () => EndpointInput<E>['body'] | undefined;

/**
 * Binds a public contract that is called thousands of times a second: the handler gets the body as text, parses it
 * only if needed, and returns JSON text, synchronously if possible.
 */
export function bindText<E extends AnyEndpoint>(
  routes: RouteContext,
  endpoint: E,
  work: (text: string, parsed: ParseBody<E>, request: FastifyRequest) => string | Promise<string>,
): void {
  if (endpoint.auth !== 'public' || !endpoint.body || !endpoint.bodyOptional)
    throw new Error(`${endpoint.operation} is not public with an optional body`);
  register(routes, endpoint);
  const { app } = routes;
  const cacheControl = cacheControlOf(endpoint);
  const parseJson = app.getDefaultJsonParser('error', 'error');
  const validate = bodyValidatorOf(endpoint.body, endpoint);

  function parse(request: FastifyRequest, text: string): EndpointInput<E>['body'] | undefined {
    if (text === '') return undefined;
    let body: unknown;
    let failure: Error | null = null;
    parseJson(request, text, (err, value) => {
      failure = err === null ? null : unreadableJson(err, text);
      body = value;
    });
    if (failure !== null) throw failure;
    validateBody(validate, body);
    return body as EndpointInput<E>['body'];
  }

  app.register(async (scope) => {
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
      const bytes = body as Buffer;
      // RFC 8259 §8.1: decoding would replace invalid UTF-8 by U+FFFD.
      if (isUtf8(bytes)) done(null, bytes.toString('utf8'));
      else done(bodyMalformed());
    });
    scope.route({
      ...routeOf(endpoint),
      handler: (request, reply) => {
        reply.header('content-type', 'application/json; charset=utf-8');
        if (cacheControl !== null) reply.header('cache-control', cacheControl);
        const text = (request.body as string | undefined) ?? '';
        return work(text, () => parse(request, text), request);
      },
    });
  });
}

const bodyValidatorOf = (body: z.ZodType, endpoint: Endpoint): Validator =>
  compilerOf(endpoint)({ schema: body, httpPart: 'body' });

/** For a body that Fastify does not validate. */
function validateBody(validate: Validator, body: unknown): void {
  if (!validate(body))
    throw Object.assign(new Error('body'), { validation: validate.errors, validationContext: 'body' });
}
