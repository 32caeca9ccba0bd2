import { z } from 'zod';
import {
  asksForOwnCredential,
  BODY_TYPES,
  type Credential,
  type Endpoint,
  isEventStream,
  isPage,
  isProtocol,
  mayChangeState,
  takesApiKeys,
} from '../define/endpoint.ts';
import type { ErrorDefinition } from '../define/error.ts';
import { TAGS } from '../define/tags.ts';
import {
  agentNotAccepted,
  apiKeyNotAccepted,
  bodyMalformed,
  bodyTooLarge,
  changedMeanwhile,
  clientUnauthenticated,
  contentTypeUnsupported,
  cursorInvalid,
  directoryStale,
  expectationUnsupported,
  headersTooLarge,
  idempotencyKeyReused,
  internalError,
  originRefused,
  ownCredentialRequired,
  permissionMissing,
  rateLimited,
  requestInvalid,
  requestStale,
  requestTooSlow,
  requestUnreadable,
  shuttingDown,
  stepUpRequired,
  storeUnavailable,
  transferCodingUnsupported,
  unauthenticated,
  wrongHost,
} from '../errors.ts';
import { type Components, createComponents, pascal, withReferences } from './openapi-components.ts';
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
    message: {
      type: 'string',
      description: 'Under /api/auth: the text for the user, as Better Auth’s client reads it.',
    },
    code: { type: 'string', description: 'Stable code of the error; programs branch on it.' },
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

const securitySchemes = (sessionCookie: string) =>
  ({
    bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'at+jwt' },
    dpop: {
      type: 'http',
      scheme: 'dpop',
      description: 'An access token bound to a key, with its proof in the DPoP header (RFC 9449 §7.1).',
    },
    apiKey: {
      type: 'apiKey',
      in: 'header',
      name: 'X-API-Key',
      description: 'An API key. Send it in this header without an Authorization header, or as `Authorization: Bearer`.',
    },
    client: { type: 'http', scheme: 'basic', description: 'client_id and client_secret (RFC 6749 §2.3.1).' },
    session: {
      type: 'apiKey',
      in: 'cookie',
      name: sessionCookie,
      description: `The session cookie: \`__Host-${PLAIN_SESSION_COOKIE}\` over https and in production, otherwise \`${PLAIN_SESSION_COOKIE}\`.`,
    },
  }) as const;

const PLAIN_SESSION_COOKIE = 'better-auth.session_token';

const acceptsOf = ({ auth }: Endpoint): ReadonlySet<Credential> => new Set(auth === 'public' ? [] : auth.accepts);

/** What its `auth` refuses, by the credentials that the endpoint accepts. */
function callerErrors(endpoint: Endpoint): Endpoint['errors'] {
  const { auth, method } = endpoint;
  if (auth === 'public') return [];
  const accepts = acceptsOf(endpoint);
  return [
    ...(accepts.has('bearer') || accepts.has('session') ? [unauthenticated] : []),
    ...(accepts.has('client') ? [clientUnauthenticated] : []),
    ...(auth.permission || auth.for !== 'anyone' || auth.subject === 'permitted' ? [permissionMissing] : []),
    ...(auth.stepUp ? [stepUpRequired] : []),
    ...(asksForOwnCredential(endpoint) && auth.for !== 'person' && auth.for !== 'user' ? [ownCredentialRequired] : []),
    ...(auth.stepUp && (auth.permission || auth.stepUp === 'of_others') ? [agentNotAccepted] : []),
    // Bearer tokens include API keys, and a user's key has no recent sign-in.
    ...(accepts.has('bearer') && (auth.stepUp || !takesApiKeys(endpoint)) ? [apiKeyNotAccepted] : []),
    ...(accepts.has('session') ? [storeUnavailable] : []),
    // The permissions of sessions, clients and API keys are in the directory; those of a token are in the token.
    directoryStale,
    ...(accepts.has('session') && method !== 'GET' ? [originRefused] : []),
  ];
}

/** Errors that follow from how the endpoint is declared, so that no contract lists them. */
export const impliedErrors = (endpoint: Endpoint): Endpoint['errors'] => [
  // An endpoint refuses unknown query parameters.
  requestInvalid,
  ...callerErrors(endpoint),
  ...(endpoint.query instanceof z.ZodObject && 'cursor' in endpoint.query.shape ? [cursorInvalid] : []),
  ...(endpoint.idempotency ? [idempotencyKeyReused] : []),
  ...(endpoint.ifMatch ? [changedMeanwhile] : []),
];

/** Errors of malformed requests; they are returned before any route runs, and never as a page. */
const UNREADABLE = [requestUnreadable, requestTooSlow, expectationUnsupported, headersTooLarge];
const isUnreadable = new Set(UNREADABLE.map(({ definition }) => definition));

/** Errors of every endpoint, by the parts of the request that it reads. */
function errorsOf(endpoint: Endpoint): ErrorDefinition[] {
  const factories = [
    ...endpoint.errors,
    ...impliedErrors(endpoint),
    ...(endpoint.method === 'GET'
      ? []
      : [bodyMalformed, bodyTooLarge, contentTypeUnsupported, transferCodingUnsupported]),
    ...(isPage(endpoint) && endpoint.method !== 'GET' ? [wrongHost] : []),
    rateLimited,
    ...(endpoint.answersWhileDraining ? [] : [shuttingDown]),
    ...(mayChangeState(endpoint) ? [requestStale] : []),
    internalError,
    ...UNREADABLE,
  ];
  return [...new Map(factories.map((factory) => [factory.definition.code, factory.definition])).values()];
}

type Response = { readonly description: string; readonly content?: Readonly<Record<string, unknown>> };

const PROBLEM = { schema: { $ref: '#/components/schemas/Problem' } };
const OAUTH_PROBLEM = { schema: { $ref: '#/components/schemas/OAuthProblem' } };

/** `name` says which errors: responses of one name are the same at every endpoint. */
type ErrorResponse = Response & { readonly name: string; readonly isShort: boolean };
/** A response with more errors than this is a component only if several endpoints have it. */
const NAMED_ERRORS_MAX = 3;

const HTML = 'text/html; charset=utf-8';

function errorResponses(endpoint: Endpoint): Record<string, ErrorResponse> {
  const byStatus = new Map<number, ErrorDefinition[]>();
  const isOAuth = ({ oauthError }: ErrorDefinition): boolean =>
    endpoint.oauthErrors === true && oauthError !== undefined;
  for (const definition of errorsOf(endpoint)) {
    const status = isOAuth(definition) ? (definition.oauthStatus ?? definition.status) : definition.status;
    byStatus.set(status, [...(byStatus.get(status) ?? []), definition]);
  }
  const responses: Record<string, ErrorResponse> = {};
  for (const [status, definitions] of byStatus) {
    const isForOAuth = definitions.some(isOAuth);
    // A client that requests text/html from a page gets errors as a page.
    const isForPages = isPage(endpoint) && definitions.some((definition) => !isUnreadable.has(definition));
    const codes = definitions.map(({ code }) => pascal(code)).join('Or');
    responses[status] = {
      name: `${isForOAuth ? 'OAuth' : ''}${codes}${isForPages ? 'Page' : ''}`,
      isShort: definitions.length <= NAMED_ERRORS_MAX,
      description: definitions.map(({ code, title }) => `\`${code}\`: ${title}.`).join(' '),
      content: {
        ...(definitions.every(isOAuth) ? {} : { 'application/problem+json': PROBLEM }),
        ...(isForOAuth ? { 'application/json': OAUTH_PROBLEM } : {}),
        ...(isForPages ? { [HTML]: { schema: { type: 'string' } } } : {}),
      },
    };
  }
  return responses;
}

/** What several endpoints have is a component: these are the names of their responses and their parameters as JSON. */
type Repeated = { readonly responses: ReadonlySet<string>; readonly parameters: ReadonlySet<string> };

function repeatedAmong(endpoints: readonly Endpoint[]): Repeated {
  const twice = (all: readonly string[]): ReadonlySet<string> => {
    const seen = new Set<string>();
    return new Set(all.filter((each) => seen.size === seen.add(each).size));
  };
  return {
    responses: twice(endpoints.flatMap((endpoint) => Object.values(errorResponses(endpoint)).map(({ name }) => name))),
    parameters: twice(endpoints.flatMap((endpoint) => ownParametersOf(endpoint).map((each) => JSON.stringify(each)))),
  };
}

const declaredResponses = (endpoint: Endpoint, components: Components): Record<string, Response> =>
  Object.fromEntries(
    Object.entries(endpoint.responses).map(([status, shape]) => {
      const description = Number(status) < 400 ? 'Success.' : 'Refused.';
      if (shape === null) return [status, { description: 'Done.' }];
      if ('contentType' in shape) {
        const schema = shape.schema ? jsonSchemaOf(shape.schema, 'output') : { type: 'string' };
        return [status, { description, content: { [shape.contentType]: { schema } } }];
      }
      const schema = components.schema(shape, 'output', `${pascal(endpoint.operation)}Response`);
      return [status, { description, content: { 'application/json': { schema } } }];
    }),
  );

/** Declared responses and errors; a status that has both has the content types of both. */
function responsesOf(endpoint: Endpoint, components: Components, repeated: Repeated): Record<string, object> {
  const declared = declaredResponses(endpoint, components);
  const errors = Object.entries(errorResponses(endpoint)).map(([status, response]): [string, object] => {
    const { name, isShort, ...error } = response;
    const other = declared[status];
    if (other === undefined) {
      const isNamed = isShort || repeated.responses.has(name);
      return [status, isNamed ? components.part('responses', name, error) : error];
    }
    const description = `${other.description} ${error.description}`;
    return [status, { description, content: { ...error.content, ...other.content } }];
  });
  return { ...declared, ...Object.fromEntries(errors) };
}

const header = (name: string, description: string, schema: JsonSchema = { type: 'string' }) => ({
  name,
  in: 'header',
  required: false,
  description,
  schema,
});

const IDEMPOTENCY_KEY = header(
  'Idempotency-Key',
  'Makes retries safe: for 24 hours a request with the same key and body gets the same response and has no further effect.',
  { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
);
const CSRF_TOKEN = header(
  'X-CSRF-Token',
  'The double-submit token. Required when a request writes with the session cookie and has no Origin header.',
);
const DPOP = header('DPoP', 'Proof of possession of the key that a token is, or will be, bound to (RFC 9449 §4).');
const IF_NONE_MATCH = header(
  'If-None-Match',
  'The ETag of the cached response. The answer is 304 while the resource is unchanged.',
);
const IF_MATCH = header(
  'If-Match',
  'The ETag of the resource as it was read: the answer is 412 if it was changed since, and nothing is written.',
);
const LAST_EVENT_ID = header('Last-Event-ID', 'The `id` of the last event received: the stream continues after it.');

const readsProofs = (endpoint: Endpoint): boolean =>
  acceptsOf(endpoint).has('bearer') ||
  endpoint.errors.some(({ definition }) => definition.oauthError === 'invalid_dpop_proof');

const headersOf = (endpoint: Endpoint): { readonly name: string }[] => [
  ...(endpoint.idempotency ? [IDEMPOTENCY_KEY] : []),
  ...(acceptsOf(endpoint).has('session') && endpoint.method !== 'GET' ? [CSRF_TOKEN] : []),
  ...(readsProofs(endpoint) ? [DPOP] : []),
  ...(304 in endpoint.responses ? [IF_NONE_MATCH] : []),
  ...(endpoint.ifMatch ? [IF_MATCH] : []),
  ...(isEventStream(endpoint) ? [LAST_EVENT_ID] : []),
];

type Parameter = { readonly name: string; readonly in: string };

function ownParametersOf(endpoint: Endpoint): Parameter[] {
  const list = (place: 'path' | 'query', schema: JsonSchema): Parameter[] => {
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
  ];
}

/** A component named after its place, `query_limit`; another one of the same name and place is written where it is. */
function parametersOf(endpoint: Endpoint, components: Components, repeated: Repeated): unknown[] {
  const own = ownParametersOf(endpoint).map((each) => {
    const text = JSON.stringify(each);
    const name = `${each.in}_${each.name}`;
    const held = components.parts.parameters[name];
    const isNamed = repeated.parameters.has(text) && (held === undefined || JSON.stringify(held) === text);
    return isNamed ? components.part('parameters', name, each) : each;
  });
  return [...own, ...headersOf(endpoint).map((each) => components.part('parameters', each.name, each))];
}

function securityOf(endpoint: Endpoint): unknown[] {
  if (endpoint.auth === 'public') return [];
  const { accepts } = endpoint.auth;
  const byToken = ['bearer', 'dpop', ...(takesApiKeys(endpoint) ? ['apiKey'] : [])];
  const ways = accepts
    .flatMap((credential) => (credential === 'bearer' ? byToken : [credential]))
    .map((scheme) => ({ [scheme]: [] }));
  return endpoint.auth.optional ? [{}, ...ways] : ways;
}

const LATE =
  ' A read replica may answer, seconds late; the response then has the header `As-Of`: everything committed before that time is in it.';

function operationOf(endpoint: Endpoint, components: Components, repeated: Repeated): Record<string, unknown> {
  const permission = endpoint.auth !== 'public' && endpoint.auth.permission;
  const parameters = parametersOf(endpoint, components, repeated);
  const contentType = BODY_TYPES[endpoint.bodyType ?? 'json'];
  return {
    operationId: endpoint.operation,
    summary: endpoint.summary,
    ...(permission ? { description: `Needs the permission \`${permission}\`.${endpoint.reads ? LATE : ''}` } : {}),
    tags: [endpoint.tag],
    security: securityOf(endpoint),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(endpoint.body
      ? {
          requestBody: {
            required: !endpoint.bodyOptional,
            content: {
              [contentType]: {
                schema: components.schema(
                  endpoint.body,
                  'input',
                  `${pascal(endpoint.operation)}Request`,
                  isProtocol(endpoint),
                ),
              },
            },
          },
        }
      : {}),
    responses: responsesOf(endpoint, components, repeated),
  };
}

/** Facts about the serving installation; the committed reference has none. */
type OpenApiPlace = { readonly serverUrl?: string; readonly sessionCookie?: string };

const sorted = <T>(parts: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1)));

/**
 * The OpenAPI 3.1 document of the contracts. A shape has the name that it was declared with (`componentNames`), other
 * bodies that of their operation: `SignUpRequest`, `ListUsersResponse`.
 * @throws Error if two contracts have the same operation name, or two different shapes the same name
 */
export function openApiOf(
  endpoints: readonly Endpoint[],
  version: string,
  { serverUrl, sessionCookie = PLAIN_SESSION_COOKIE }: OpenApiPlace = {},
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  const operations = new Set<string>();
  const components = createComponents();
  components.part('schemas', 'Problem', problem);
  components.part('schemas', 'OAuthProblem', oauthProblem);
  const repeated = repeatedAmong(endpoints);
  for (const endpoint of [...endpoints].sort((a, b) =>
    `${a.path} ${a.method}`.localeCompare(`${b.path} ${b.method}`),
  )) {
    if (operations.has(endpoint.operation)) throw new Error(`${endpoint.operation} names two operations`);
    operations.add(endpoint.operation);
    paths[endpoint.path] = {
      ...paths[endpoint.path],
      [endpoint.method.toLowerCase()]: operationOf(endpoint, components, repeated),
    };
  }
  const document = {
    openapi: '3.1.0',
    info: { title: 'Sallyport', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    ...(serverUrl ? { servers: [{ url: serverUrl }] } : {}),
    tags: Object.entries(TAGS)
      .filter(([tag]) => endpoints.some((endpoint) => endpoint.tag === tag))
      .map(([name, { audience, description }]) => ({ name, description: `${audience}: ${description}.` })),
    paths,
    components: {
      schemas: sorted(components.parts.schemas),
      responses: sorted(components.parts.responses),
      parameters: sorted(components.parts.parameters),
      securitySchemes: securitySchemes(sessionCookie),
    },
  };
  // UTF-8 text has no lone surrogates, and other languages cannot express them in a pattern.
  return JSON.parse(withReferences(JSON.stringify(document)).replaceAll('\\\\ud800-\\\\udfff', '')) as Record<
    string,
    unknown
  >;
}
