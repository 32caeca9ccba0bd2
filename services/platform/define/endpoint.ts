import type { z } from 'zod';
import type { ErrorFactory } from './error.ts';

/** Ways to authenticate a request. `client` is HTTP Basic or the OAuth form fields (RFC 6749 §2.3.1). */
export type Credential = 'bearer' | 'session' | 'client';

/**
 * Callers that may use the endpoint. `public` is never a default: a route without `auth` neither compiles nor starts.
 * `optional` admits anonymous requests and leaves the decision to the use-case.
 */
type EndpointAuth =
  | 'public'
  | {
      readonly accepts: readonly Credential[];
      readonly permission?: string;
      readonly optional?: boolean;
      /**
       * Sensitive: a user must have signed in recently (RFC 9470); clients pass. `two_factors`: a sign-in with one factor
       * also passes, because the request itself verifies that factor again. `of_others`: the use-case checks it if the
       * resource belongs to another user.
       */
      readonly stepUp?: true | 'two_factors' | 'of_others';
    };

/** The permission that an endpoint requires. Throws if it requires none. */
export function permissionOf({ auth }: { readonly auth: EndpointAuth }): string {
  if (auth === 'public' || auth.permission === undefined) throw new Error('the endpoint requires no permission');
  return auth.permission;
}

/**
 * The bucket in which a request counts, besides the caller's. `validate`: counted in memory, thousands a second;
 * `token`: issues or ends tokens; `credential`: tries a password, a code or a link, or sends mail;
 * `log`: reads the public audit log, tile by tile; `read`, `write`, `admin`: everything else.
 */
export const RATE_CLASSES = ['validate', 'token', 'credential', 'log', 'read', 'write', 'admin'] as const;
export type RateClass = (typeof RATE_CLASSES)[number];

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
  readonly tag: string;
  readonly auth: EndpointAuth;
  readonly body?: Body;
  /** Body format; JSON by default. `form` is application/x-www-form-urlencoded (OAuth). */
  readonly bodyType?: 'json' | 'form';
  /** True if the endpoint also works without a body. */
  readonly bodyOptional?: boolean;
  /** Bytes; 65,536 by default. */
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
  /** Rate class; by default derived from path and method, see `rateClassOf`. */
  readonly limit?: RateClass;
  /** Lists of the body of which each item counts as a request, so that a batch does not bypass a limit. */
  readonly limitItems?: readonly string[];
  /** `no-store` by default; null leaves the header to the use-case. */
  readonly cacheControl?: string | null;
};

/** Declares an endpoint as data: policy, shapes and errors. */
export function defineEndpoint<
  Body extends z.ZodType = z.ZodType<undefined>,
  Query extends z.ZodType = z.ZodType<undefined>,
  Params extends z.ZodType = z.ZodType<undefined>,
>(endpoint: Endpoint<Body, Query, Params>): Endpoint<Body, Query, Params> {
  return endpoint;
}

const answersAs = ({ responses }: Pick<Endpoint, 'responses'>, type: string): boolean =>
  Object.values(responses).some(
    (shape) => shape !== null && 'contentType' in shape && shape.contentType.startsWith(type),
  );

/** True if users see the responses: errors are also pages if the request accepts text/html. */
export const isPage = (endpoint: Pick<Endpoint, 'responses'>): boolean => answersAs(endpoint, 'text/html');

/** True for a stream of server-sent events. */
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
