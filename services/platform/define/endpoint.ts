import type { z } from 'zod';
import type { ErrorFactory } from './error.ts';
import type { Tag } from './tags.ts';

/** Ways to authenticate a request. `client` is HTTP Basic or the OAuth form fields (RFC 6749 §2.3.1). */
export type Credential = 'bearer' | 'session' | 'client';

/**
 * Who the operation is for, among the callers whose credential it accepts.
 * `anyone`: every one of them. `user`: a user, also by a token that another client or an agent holds, but by no API key.
 * `person`: the user in person, by the session or a token of the first-party client. `owner`: the user in person, or a
 * client or agent for itself; by no API key. `agent`: an agent for itself.
 */
export type Audience = 'anyone' | 'user' | 'person' | 'owner' | 'agent';

/**
 * Whose resources the operation acts on. `any`: those of all, by its permission. `own`: the caller's; another's is
 * answered as a missing one. `none`: it names no resource that a caller owns. `permitted`: it reads of each kind what the
 * caller's permissions open, leaves out the rest, and refuses a caller without any. Otherwise the caller's, and another's with the permission `others`;
 * without it, another's is `refused` (403) or `hidden` (404).
 */
export type Subject =
  | 'any'
  | 'own'
  | 'none'
  | 'permitted'
  | { readonly others: string; readonly else: 'refused' | 'hidden' };

/**
 * Callers that may use the endpoint: one declaration, from which the gate, the matrix of tests and the reference follow.
 * `public` is never a default: a route without `auth` neither compiles nor starts.
 */
type EndpointAuth =
  | 'public'
  | {
      readonly accepts: readonly Credential[];
      /** Admits anonymous requests; the use-case answers them. */
      readonly optional?: boolean;
      readonly for: Audience;
      readonly permission?: string;
      /** A role of which the caller must also hold every right, because what the operation does may be anyone's. */
      readonly rightsOf?: string;
      readonly subject: Subject;
      /**
       * Sensitive: a user must have signed in recently (RFC 9470), and with a second factor if the account has one; clients
       * pass. `two_factors`: an old sign-in to an account without a second factor also passes, because the request itself
       * verifies the password again. `of_others`: the use-case checks it if the resource belongs to another user.
       */
      readonly stepUp?: true | 'two_factors' | 'of_others';
      /**
       * Whether what it makes or changes outlives the request, as it does by default where `stepUp` is true: a client or
       * agent must send its own credential with the request, because a token or an API key may have leaked.
       */
      readonly outlives?: boolean;
    };

/** Whether a client or agent must send its own credential (secret, assertion, certificate) with the request. */
export const asksForOwnCredential = ({ auth }: { readonly auth: EndpointAuth }): boolean =>
  auth !== 'public' && (auth.outlives ?? auth.stepUp === true);

/** The permission that an endpoint requires. Throws if it requires none. */
export function permissionOf({ auth }: { readonly auth: EndpointAuth }): string {
  if (auth === 'public' || auth.permission === undefined) throw new Error('the endpoint requires no permission');
  return auth.permission;
}

const PROTOCOLS = /^\/(?:oauth2|ssf|\.well-known)\//;

/**
 * Whether others wrote the specification of the endpoint: a sender may follow a later revision, and is not ours to
 * correct. The path says so, so that no endpoint of a protocol can be declared without it.
 */
export const isProtocol = ({ path }: Pick<Endpoint, 'path'>): boolean => PROTOCOLS.test(path);

/** Whether API keys are accepted, which act by their permissions and are no sign-in: to read, or where one is required. */
export const takesApiKeys = ({ auth, method }: Pick<Endpoint, 'auth' | 'method'>): boolean =>
  auth !== 'public' &&
  auth.accepts.includes('bearer') &&
  auth.for === 'anyone' &&
  (auth.permission !== undefined || method === 'GET');

/**
 * The bucket in which a request counts, besides the caller's. `validate`: counted in memory, thousands a second;
 * `token`: issues or ends tokens; `credential`: tries a password, a code or a link, or sends mail;
 * `log`: reads the public audit log, tile by tile; `read`, `write`, `admin`: everything else.
 */
export const RATE_CLASSES = ['validate', 'token', 'credential', 'log', 'read', 'write', 'admin'] as const;
export type RateClass = (typeof RATE_CLASSES)[number];

/** Longest body in bytes, where the endpoint does not say otherwise. */
export const BODY_LIMIT = 65_536;

export const BODY_TYPES = {
  json: 'application/json',
  form: 'application/x-www-form-urlencoded',
  secevent: 'application/secevent+jwt',
} as const;

export type Endpoint<
  Body extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Params extends z.ZodType = z.ZodType,
> = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** OpenAPI form: `/v1/tokens/{token_id}`. */
  readonly path: `/${string}`;
  /** The parameter at the end of the path that takes the whole rest of it, slashes included. */
  readonly rest?: string;
  /** Unique verb-noun name: the OpenAPI operationId, the span name and the anchor in the docs. */
  readonly operation: string;
  readonly summary: string;
  readonly tag: Tag;
  readonly auth: EndpointAuth;
  readonly body?: Body;
  /**
   * Body format; JSON by default. `form` is application/x-www-form-urlencoded (OAuth); `secevent` is a signed event as text
   * (application/secevent+jwt, RFC 8935).
   */
  readonly bodyType?: keyof typeof BODY_TYPES;
  /**
   * The error for a JSON body with a number that a double does not keep, or a name that an object has twice; its detail
   * says where. For endpoints that bind people to what they read.
   */
  readonly exactBody?: ErrorFactory;
  /** The rule also gets the bytes of the JSON body, because a signature covers them; `alone`: they are not parsed. */
  readonly keepsBytes?: true | 'alone';
  readonly bodyOptional?: boolean;
  /** Bytes; `BODY_LIMIT` by default. Where it is more, the caller is asked for before the body is read. */
  readonly bodyLimit?: number;
  readonly query?: Query;
  readonly params?: Params;
  /**
   * Responses other than errors, by status, the usual one first. `null` is a response without a body; `contentType` is one
   * that is not JSON.
   */
  readonly responses: Readonly<
    Record<number, z.ZodType | null | { readonly contentType: string; readonly schema?: z.ZodType }>
  >;
  /** Those that do not follow from the rest of the endpoint (`impliedErrors`). */
  readonly errors: readonly ErrorFactory[];
  /** OAuth error form (`error`, `error_description`) instead of application/problem+json. */
  readonly oauthErrors?: boolean;
  /** Responds while the process stops; for health endpoints only. */
  readonly answersWhileDraining?: boolean;
  /**
   * Honours `Idempotency-Key` for 24 hours. `answer`: the use-case and the key share one transaction, and the response is
   * stored; `use_case`: the use-case itself stores its result.
   */
  readonly idempotency?: 'answer' | 'use_case';
  /** The read whose ETag `If-Match` names: the write is refused if that would answer something else by now. */
  readonly ifMatch?: Endpoint;
  /** Rate class; by default derived from path and method, see `rateClassOf`. */
  readonly limit?: RateClass;
  /** Lists of the body of which each item counts as a request, so that a batch does not bypass a limit. */
  readonly limitItems?: readonly string[];
  /**
   * `replica`: a read that a standby may answer, seconds late; the answer then has the time in `As-Of`. Only for reads by
   * which nothing decides: the rule gets a port `sql` that reads, and no other access to the database.
   */
  readonly reads?: 'replica';
  /** `no-store` by default; null leaves the header to the use-case. */
  readonly cacheControl?: string | null;
};

/** A GET that declares one of these may write. */
const WRITING: ReadonlySet<RateClass | undefined> = new Set(['token', 'credential', 'write']);

/** Whether requests to an endpoint may write, and so have a limited time for PostgreSQL in all: `WRITE_TIMEOUT_MS`. */
export const mayWrite = ({ limit, method }: Pick<Endpoint, 'limit' | 'method'>): boolean =>
  limit !== 'read' && (method !== 'GET' || WRITING.has(limit));

/** An endpoint as a contract declares it: a GET unless it says otherwise, which answers only errors that follow from the rest. */
type Declared<Body extends z.ZodType, Query extends z.ZodType, Params extends z.ZodType> = Omit<
  Endpoint<Body, Query, Params>,
  'method' | 'errors'
> &
  Partial<Pick<Endpoint, 'method' | 'errors'>>;

/** Declares an endpoint as data: policy, shapes and errors. */
export const defineEndpoint = <
  Body extends z.ZodType = z.ZodType<undefined>,
  Query extends z.ZodType = z.ZodType<undefined>,
  Params extends z.ZodType = z.ZodType<undefined>,
>(
  endpoint: Declared<Body, Query, Params>,
): Endpoint<Body, Query, Params> => ({ method: 'GET', errors: [], ...endpoint });

/**
 * Declares the endpoints of one tag: `const defineEndpoint = endpointsOf('Consents')`.
 * @param usual the rate class of those that name none
 */
export const endpointsOf =
  (tag: Tag, usual: Pick<Endpoint, 'limit'> = {}) =>
  <
    Body extends z.ZodType = z.ZodType<undefined>,
    Query extends z.ZodType = z.ZodType<undefined>,
    Params extends z.ZodType = z.ZodType<undefined>,
  >(
    endpoint: Omit<Declared<Body, Query, Params>, 'tag'>,
  ): Endpoint<Body, Query, Params> =>
    defineEndpoint<Body, Query, Params>({ ...usual, ...endpoint, tag } as Declared<Body, Query, Params>);

/** Why an endpoint may not be answered by a standby; undefined if it may, or does not ask for it. */
export function whyNotReplica({
  reads,
  method,
  auth,
}: Pick<Endpoint, 'reads' | 'method' | 'auth'>): string | undefined {
  if (reads === undefined) return undefined;
  if (method !== 'GET') return 'it may write';
  return auth === 'public' || auth.subject !== 'any' || auth.permission === undefined
    ? 'it is not for administrators'
    : undefined;
}

const answersAs = ({ responses }: Pick<Endpoint, 'responses'>, type: string): boolean =>
  Object.values(responses).some(
    (shape) => shape !== null && 'contentType' in shape && shape.contentType.startsWith(type),
  );

/** True if users see the responses: errors are also pages if the request accepts text/html. */
export const isPage = (endpoint: Pick<Endpoint, 'responses'>): boolean => answersAs(endpoint, 'text/html');

export const isEventStream = (endpoint: Pick<Endpoint, 'responses'>): boolean =>
  answersAs(endpoint, 'text/event-stream');

/** The rate class that an endpoint declares, else the class of its path and method. */
export function rateClassOf({ limit, path, method }: Pick<Endpoint, 'limit' | 'path' | 'method'>): RateClass {
  if (limit !== undefined) return limit;
  if (path.startsWith('/v1/admin/')) return 'admin';
  return method === 'GET' ? 'read' : 'write';
}

/** False for endpoints that only read or only verify tokens. */
export const mayChangeState = ({ limit, method }: Pick<Endpoint, 'limit' | 'method'>): boolean =>
  method !== 'GET' && limit !== 'validate';

/** Input of a use-case behind an endpoint. */
export type EndpointInput<E> =
  E extends Endpoint<infer Body, infer Query, infer Params>
    ? { readonly body: z.output<Body>; readonly query: z.output<Query>; readonly params: z.output<Params> }
    : never;
