import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../domain/ports.ts';
import type { Endpoint, EndpointInput } from '../platform/define/endpoint.ts';
import { contentTypeUnsupported } from '../platform/errors.ts';
import { jsonSchemaOf } from '../platform/http/schema.ts';
import { Answer, JsonText } from './answer.ts';
import type { CallerResolver } from './caller.ts';

/** What a route needs of its process. */
export type RouteContext = {
  readonly app: FastifyInstance;
  readonly callers: CallerResolver;
  /** Every bound endpoint, for OpenAPI, 405 answers and the route-table tests. */
  readonly bound: Endpoint[];
};

type AnyEndpoint = Endpoint;
type Work<E> = (input: EndpointInput<E>, caller: Caller, request: FastifyRequest) => unknown;

const BODY_TYPES = { json: 'application/json', form: 'application/x-www-form-urlencoded' } as const;
const DEFAULT_BODY_LIMIT = 65_536;

/** OpenAPI's `{name}` as Fastify's `:name`. */
export const fastifyPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

const sendsBody = (request: FastifyRequest): boolean =>
  request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0';

/** RFC 9110 §8.3.1 media type, or '' where the header is not one. */
const mediaType = (header: string | undefined): string => {
  const type = /^([\w!#$&^.+-]+\/[\w!#$&^.+-]+) *(?:;|$)/.exec(header ?? '');
  return type?.[1]?.toLowerCase() ?? '';
};

function responseSchemas(endpoint: AnyEndpoint): Record<string, unknown> {
  const schemas: Record<string, unknown> = {};
  for (const [status, shape] of Object.entries(endpoint.responses)) {
    if (shape && 'safeParse' in shape) schemas[status] = jsonSchemaOf(shape, 'output');
  }
  return schemas;
}

function send(reply: FastifyReply, result: unknown, successStatus: number): unknown {
  if (result instanceof JsonText) {
    reply.code(successStatus).header('content-type', 'application/json; charset=utf-8').serializer(String);
    return result.text;
  }
  if (result instanceof Answer) {
    reply.code(result.status);
    for (const [name, value] of Object.entries(result.headers)) reply.header(name, value as string | string[]);
    return result.body ?? '';
  }
  reply.code(successStatus);
  // An answer without a body is empty, not the JSON text null.
  return result ?? '';
}

/**
 * Binds a contract to its use-case: compiled schemas, caller, content type, errors and headers, once at boot.
 * @example bind(routes, validateTokenEndpoint, (input, caller) => validateToken(ports, input.body, caller))
 */
export function bind<E extends AnyEndpoint>(routes: RouteContext, endpoint: E, work: Work<E>): void {
  if (!endpoint.auth) throw new Error(`${endpoint.operation} declares neither its auth nor 'public'`);
  const { app, callers } = routes;
  routes.bound.push(endpoint);
  const successStatus = Number(Object.keys(endpoint.responses)[0]);
  const expected = BODY_TYPES[endpoint.bodyType ?? 'json'];
  const cacheControl = endpoint.cacheControl === undefined ? 'no-store' : endpoint.cacheControl;
  const resolve = callers.forEndpoint(endpoint);
  app.route({
    method: endpoint.method,
    url: fastifyPath(endpoint.path),
    bodyLimit: endpoint.bodyLimit ?? DEFAULT_BODY_LIMIT,
    config: { endpoint },
    schema: {
      ...(endpoint.body && !endpoint.bodyOptional ? { body: jsonSchemaOf(endpoint.body) } : {}),
      ...(endpoint.query ? { querystring: jsonSchemaOf(endpoint.query) } : {}),
      ...(endpoint.params ? { params: jsonSchemaOf(endpoint.params) } : {}),
      response: responseSchemas(endpoint),
    },
    onRequest: (request, _reply, done) => {
      const wrong = sendsBody(request) && mediaType(request.headers['content-type']) !== expected;
      done(wrong ? contentTypeUnsupported({ detail: `Expected ${expected}.` }) : undefined);
    },
    handler: async (request, reply) => {
      if (cacheControl !== null) reply.header('cache-control', cacheControl);
      if (endpoint.bodyOptional && endpoint.body && request.body !== undefined) validateOptionalBody(request, endpoint);
      const caller = await resolve(request);
      const input = { body: request.body, query: request.query, params: request.params } as EndpointInput<E>;
      return send(reply, await work(input, caller, request), successStatus);
    },
  });
}

function validateOptionalBody(request: FastifyRequest, endpoint: AnyEndpoint): void {
  const validate = request.compileValidationSchema(jsonSchemaOf(endpoint.body!), 'body');
  if (!validate(request.body))
    throw Object.assign(new Error('body'), { validation: validate.errors, validationContext: 'body' });
}
