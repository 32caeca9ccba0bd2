import type { z } from 'zod';
import type { ErrorFactory } from './error.ts';

/** Ways to authenticate a request. `client` is HTTP Basic or the OAuth form fields (RFC 6749 §2.3.1). */
export type Credential = 'bearer' | 'session' | 'client';

/**
 * Callers that may use it. `public` is a decision, never a default: a route without `auth` neither compiles nor boots.
 * `optional` admits anonymous requests and leaves the decision to the use-case.
 */
type EndpointAuth =
  | 'public'
  | {
      readonly accepts: readonly Credential[];
      readonly permission?: string;
      readonly optional?: boolean;
      /**
       * Sensitive: a user must have signed in recently (RFC 9470). Clients pass. `two_factors`: a sign-in with one factor
       * passes too, since the request itself verifies that factor again. `of_others`: the use-case checks it if the
       * resource is another user's.
       */
      readonly stepUp?: true | 'two_factors' | 'of_others';
    };

/**
 * The bucket, besides the caller's, that a request counts in. `validate`: counted in memory, thousands a second;
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
  /** The parameter at the end of the path that takes all that is left of it, slashes included. */
  readonly rest?: string;
  /** Verb-noun, unique: the OpenAPI operationId, the span name and the docs anchor. */
  readonly operation: string;
  readonly summary: string;
  readonly tag: string;
  readonly auth: EndpointAuth;
  readonly body?: Body;
  /** Body format; JSON unless said. `form` is application/x-www-form-urlencoded (OAuth). */
  readonly bodyType?: 'json' | 'form';
  /** True where the same endpoint works without a body. */
  readonly bodyOptional?: boolean;
  /** Bytes; 65,536 unless said. */
  readonly bodyLimit?: number;
  readonly query?: Query;
  readonly params?: Params;
  /**
   * Answers beside the errors, by status, the usual one first. `null` is an answer without a body; `contentType` one
   * that is not JSON.
   */
  readonly responses: Readonly<
    Record<number, z.ZodType | null | { readonly contentType: string; readonly schema?: z.ZodType }>
  >;
  readonly errors: readonly ErrorFactory[];
  /** OAuth error form (`error`, `error_description`) instead of application/problem+json. */
  readonly oauthErrors?: boolean;
  /** Answers while the process stops: health and nothing else. */
  readonly answersWhileDraining?: boolean;
  /**
   * Honours `Idempotency-Key` for 24 hours. `answer`: the use-case and the key are one transaction, and its answer is
   * kept; `use_case`: the use-case itself keeps what it made.
   */
  readonly idempotency?: 'answer' | 'use_case';
  /** Rate class; by path and method unless said, see `rateClassOf`. */
  readonly limit?: RateClass;
  /** Lists of the body whose items count as a request each: a batch is no way round a limit. */
  readonly limitItems?: readonly string[];
  /** `no-store` unless said otherwise; null leaves the header to the use-case. */
  readonly cacheControl?: string | null;
};

/** Declares an endpoint: policy, shapes and errors beside each other, as data. */
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

/** True where users see the answers: errors are pages too if the request accepts text/html. */
export const isPage = (endpoint: Pick<Endpoint, 'responses'>): boolean => answersAs(endpoint, 'text/html');

/** True for server-sent events: an answer that goes on. */
export const isEventStream = (endpoint: Pick<Endpoint, 'responses'>): boolean =>
  answersAs(endpoint, 'text/event-stream');

/** The rate class an endpoint declares, else that of its path and method: no endpoint is without one. */
export function rateClassOf({ limit, path, method }: Pick<Endpoint, 'limit' | 'path' | 'method'>): RateClass {
  if (limit !== undefined) return limit;
  if (path.startsWith('/v1/admin/')) return 'admin';
  return method === 'GET' ? 'read' : 'write';
}

/** False for what only reads, and for what only verifies tokens. */
export const mayChangeState = ({ limit, method }: Pick<Endpoint, 'limit' | 'method'>): boolean =>
  method !== 'GET' && limit !== 'validate';

/** What a use-case behind an endpoint is given. */
export type EndpointInput<E> =
  E extends Endpoint<infer Body, infer Query, infer Params>
    ? { readonly body: z.output<Body>; readonly query: z.output<Query>; readonly params: z.output<Params> }
    : never;
