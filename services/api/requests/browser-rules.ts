import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { methodNotAllowed, originRefused, routeUnknown } from '#services/platform/errors.ts';

type BrowserSettings = {
  readonly origins: ReadonlySet<string>;
  /** True if this API is served over TLS only: HSTS then forbids browsers to use plain http. */
  readonly isTlsOnly: boolean;
};

export type BrowserRules = {
  /** Headers of every response, including responses to unreadable requests. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sets those headers, and what the requesting page may read (Fetch §3.3 CORS). */
  apply(request: FastifyRequest, reply: FastifyReply): void;
  /** True for a CORS preflight (Fetch §4.8). */
  isPreflight(request: FastifyRequest): boolean;
  /**
   * Answers a preflight, or returns the error: `route_unknown`, `origin_refused`, `method_not_allowed`. `methods` are
   * those of the path; `isForAnyone` says whether every page may read it.
   */
  preflight(request: FastifyRequest, reply: FastifyReply, path: PathRules): AppError | null;
};

type PathRules = { readonly methods: readonly string[]; readonly isForAnyone: boolean };

/** Headers that a page may send besides the safelisted ones; `mcp-` ones are those of the Model Context Protocol. */
const SENDABLE =
  'authorization, content-digest, content-type, dpop, idempotency-key, if-match, if-none-match, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, signature, signature-input, traceparent, tracestate, x-api-key, x-csrf-token';
/** Headers that a page may read besides the safelisted ones. */
const READABLE =
  'dpop-nonce, etag, location, mcp-protocol-version, mcp-session-id, ratelimit, ratelimit-policy, retry-after, www-authenticate';
const PREFLIGHT_SECONDS = '600';

// JSON and errors are not documents: if a browser treats one as a document, it may load, run and frame nothing.
const ALWAYS = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  vary: 'Origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Public documents that caches may keep: key set, metadata, contract, public log. No cookie changes them. */
export const isForAnyone = ({ auth, method, cacheControl }: Endpoint): boolean =>
  auth === 'public' && method === 'GET' && cacheControl !== undefined;

/** The security headers of every response; called once at boot. */
export function createBrowserRules({ origins, isTlsOnly }: BrowserSettings): BrowserRules {
  const headers: Readonly<Record<string, string>> = isTlsOnly
    ? { ...ALWAYS, 'strict-transport-security': 'max-age=31536000; includeSubDomains' }
    : ALWAYS;
  const forAnyone: Readonly<Record<string, string>> = {
    ...headers,
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
  };

  /** The headers that let the requesting page read the response; none if it may not. */
  function permission(origin: string | undefined): Record<string, string> {
    if (origin === undefined || !origins.has(origin)) return {};
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': READABLE,
    };
  }

  return {
    headers,
    apply(request, reply) {
      const endpoint = request.routeOptions?.config?.endpoint;
      if (endpoint !== undefined && isForAnyone(endpoint)) {
        reply.headers(forAnyone);
        return;
      }
      reply.headers(headers);
      if (request.headers.origin !== undefined) reply.headers(permission(request.headers.origin));
    },
    isPreflight: ({ method, headers: sent }) =>
      method === 'OPTIONS' && sent.origin !== undefined && sent['access-control-request-method'] !== undefined,
    preflight(request, reply, path) {
      const { origin, 'access-control-request-method': asked } = request.headers;
      if (path.methods.length === 0) return routeUnknown();
      const granted = path.isForAnyone ? { 'access-control-allow-origin': '*' } : permission(origin);
      if (!('access-control-allow-origin' in granted)) return originRefused();
      const allow = path.methods.join(', ');
      if (!path.methods.includes(asked as string)) return methodNotAllowed({ headers: { allow } });
      reply.code(204).headers({
        ...granted,
        'access-control-allow-methods': allow,
        'access-control-allow-headers': SENDABLE,
        'access-control-max-age': PREFLIGHT_SECONDS,
        'cache-control': 'no-store',
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      });
      reply.send();
      return null;
    },
  };
}
