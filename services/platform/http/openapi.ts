import type { Endpoint } from '../define/endpoint.ts';
import type { ErrorDefinition } from '../define/error.ts';
import {
  bodyMalformed,
  bodyTooLarge,
  clientUnauthenticated,
  contentTypeUnsupported,
  headersTooLarge,
  internalError,
  originRefused,
  permissionMissing,
  rateLimited,
  requestInvalid,
  shuttingDown,
  storeUnavailable,
  unauthenticated,
} from '../errors.ts';
import { type JsonSchema, jsonSchemaOf } from './schema.ts';

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'retryable', 'trace_id'],
  properties: {
    type: { type: 'string', description: 'Address of the explanation of `code`.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    fix: { type: 'string' },
    code: { type: 'string', description: 'Stable; decide by this.' },
    retryable: { type: 'boolean' },
    trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
    problems: {
      type: 'array',
      items: {
        type: 'object',
        properties: { at: { type: 'string' }, why: { type: 'string' } },
        required: ['at', 'why'],
      },
    },
  },
};

const oauthProblem = {
  type: 'object',
  required: ['error', 'error_description', 'code', 'retryable', 'trace_id'],
  properties: {
    error: { type: 'string' },
    error_description: { type: 'string' },
    code: problem.properties.code,
    retryable: problem.properties.retryable,
    trace_id: problem.properties.trace_id,
    problems: problem.properties.problems,
  },
};

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'at+jwt' },
  client: { type: 'http', scheme: 'basic', description: 'client_id and client_secret (RFC 6749 §2.3.1).' },
  session: { type: 'apiKey', in: 'cookie', name: 'better-auth.session_token' },
} as const;

const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/** Errors of reading the caller, by what the endpoint accepts. */
function callerErrors({ auth, method }: Endpoint): Endpoint['errors'] {
  if (auth === 'public') return [];
  const accepts = new Set(auth.accepts);
  return [
    ...(accepts.has('bearer') || accepts.has('session') ? [unauthenticated] : []),
    ...(accepts.has('client') ? [clientUnauthenticated] : []),
    ...(auth.permission ? [permissionMissing] : []),
    ...(accepts.has('session') ? [storeUnavailable] : []),
    ...(accepts.has('session') && method !== 'GET' ? [originRefused] : []),
  ];
}

/** Errors any endpoint may answer with, by what it reads. */
function errorsOf(endpoint: Endpoint): ErrorDefinition[] {
  const reads = endpoint.body || endpoint.query || endpoint.params;
  const factories = [
    ...endpoint.errors,
    ...callerErrors(endpoint),
    ...(reads ? [requestInvalid] : []),
    ...(endpoint.query ? [headersTooLarge] : []),
    ...(BODY_METHODS.has(endpoint.method) ? [bodyMalformed, bodyTooLarge, contentTypeUnsupported] : []),
    rateLimited,
    shuttingDown,
    internalError,
  ];
  return [...new Map(factories.map((factory) => [factory.definition.code, factory.definition])).values()];
}

function errorResponses(endpoint: Endpoint): Record<string, unknown> {
  const byStatus = new Map<number, ErrorDefinition[]>();
  for (const definition of errorsOf(endpoint)) {
    const asOAuth = endpoint.oauthErrors && definition.oauthError !== undefined;
    const status = asOAuth ? (definition.oauthStatus ?? definition.status) : definition.status;
    byStatus.set(status, [...(byStatus.get(status) ?? []), definition]);
  }
  const responses: Record<string, unknown> = {};
  for (const [status, definitions] of byStatus) {
    const content: Record<string, unknown> = {};
    if (definitions.some((definition) => !(endpoint.oauthErrors && definition.oauthError)))
      content['application/problem+json'] = { schema: { $ref: '#/components/schemas/Problem' } };
    if (endpoint.oauthErrors && definitions.some((definition) => definition.oauthError))
      content['application/json'] = { schema: { $ref: '#/components/schemas/OAuthProblem' } };
    responses[status] = {
      description: definitions.map(({ code, title }) => `\`${code}\`: ${title}.`).join(' '),
      content,
    };
  }
  return responses;
}

function successResponses(endpoint: Endpoint): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(endpoint.responses).map(([status, shape]) => {
      if (shape === null) return [status, { description: 'Done.' }];
      if ('contentType' in shape) {
        const schema = shape.schema ? jsonSchemaOf(shape.schema, 'output') : { type: 'string' };
        return [status, { description: 'Success.', content: { [shape.contentType]: { schema } } }];
      }
      return [
        status,
        { description: 'Success.', content: { 'application/json': { schema: jsonSchemaOf(shape, 'output') } } },
      ];
    }),
  );
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'For 24 hours a retry with the same key and body gets the same answer, and has no further effect.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
};

function parametersOf(endpoint: Endpoint): unknown[] {
  const list = (place: 'path' | 'query', schema: JsonSchema): unknown[] => {
    const required = new Set((schema.required as string[] | undefined) ?? []);
    return Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(([name, shape]) => ({
      name,
      in: place,
      required: place === 'path' || required.has(name),
      schema: shape,
    }));
  };
  return [
    ...(endpoint.params ? list('path', jsonSchemaOf(endpoint.params)) : []),
    ...(endpoint.query ? list('query', jsonSchemaOf(endpoint.query)) : []),
    ...(endpoint.idempotency ? [IDEMPOTENCY_KEY] : []),
  ];
}

function securityOf(endpoint: Endpoint): unknown[] {
  if (endpoint.auth === 'public') return [];
  const ways = endpoint.auth.accepts.map((credential) => ({ [credential]: [] }));
  return endpoint.auth.optional ? [{}, ...ways] : ways;
}

function operationOf(endpoint: Endpoint): Record<string, unknown> {
  const permission = endpoint.auth !== 'public' && endpoint.auth.permission;
  const parameters = parametersOf(endpoint);
  const contentType = endpoint.bodyType === 'form' ? 'application/x-www-form-urlencoded' : 'application/json';
  return {
    operationId: endpoint.operation,
    summary: endpoint.summary,
    ...(permission ? { description: `Needs the permission \`${permission}\`.` } : {}),
    tags: [endpoint.tag],
    security: securityOf(endpoint),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(endpoint.body
      ? {
          requestBody: {
            required: !endpoint.bodyOptional,
            content: { [contentType]: { schema: jsonSchemaOf(endpoint.body) } },
          },
        }
      : {}),
    responses: { ...successResponses(endpoint), ...errorResponses(endpoint) },
  };
}

/**
 * The OpenAPI 3.1 document of the contracts.
 * @param serverUrl where the API answers; left out of the committed reference
 */
export function openApiOf(
  endpoints: readonly Endpoint[],
  version: string,
  serverUrl?: string,
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const endpoint of [...endpoints].sort((a, b) =>
    `${a.path} ${a.method}`.localeCompare(`${b.path} ${b.method}`),
  )) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method.toLowerCase()]: operationOf(endpoint) };
  }
  const document = {
    openapi: '3.1.0',
    info: { title: 'Sallyport', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    ...(serverUrl ? { servers: [{ url: serverUrl }] } : {}),
    paths,
    components: { schemas: { Problem: problem, OAuthProblem: oauthProblem }, securitySchemes: SECURITY },
  };
  // Text in UTF-8 has no half of a pair, and readers in other languages cannot write one in a pattern.
  return JSON.parse(JSON.stringify(document).replaceAll('\\\\ud800-\\\\udfff', '')) as Record<string, unknown>;
}
