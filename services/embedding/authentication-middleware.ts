import type { FastifyInstance, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import type { Authenticators, CallerResolver } from '../api/requests/caller.ts';
import { extractTokenFromRequest } from '../api/requests/credentials.ts';
import type { Caller } from '../domain/ports.ts';
import type { Credential, Endpoint } from '../platform/define/endpoint.ts';
import { apiKeyNotAccepted, permissionMissing } from '../platform/errors.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyInstance {
    /** Who sent the request, once a handler of the middleware has let it in; else null. */
    currentUser(request: FastifyRequest): Caller | null;
  }
}

/**
 * Guards for routes of another Fastify application in the same process. For use inside this repository: no package is
 * published.
 */
export type AuthenticationMiddleware = {
  /**
   * Lets in a caller with a valid token, session or client secret; 401 otherwise. An API key is refused (403):
   * its limit, and the signature of a key that has a public key, are checked by our own routes alone.
   */
  readonly authenticateRequest: preHandlerAsyncHookHandler;
  /** Lets in people with this role, and administrators; 403 otherwise. */
  requireRole(role: string): preHandlerAsyncHookHandler;
  /** Lets in whoever may do this, `resource:action`; 403 otherwise. */
  requirePermission(permission: string): preHandlerAsyncHookHandler;
  /** Whether a write by cookie comes from a page that may send it. Never throws. */
  validateCSRFToken(request: FastifyRequest): boolean;
  /** The bearer token of a request, or null; never throws. */
  extractTokenFromRequest(request: FastifyRequest): string | null;
};

const ACCEPTS: readonly Credential[] = ['bearer', 'session', 'client'];
const asking = (permission?: string): Endpoint => ({
  method: 'GET',
  path: '/',
  operation: 'authenticateRequest',
  summary: 'A route of the embedding application',
  tag: 'Embedding',
  auth: permission === undefined ? { accepts: ACCEPTS } : { accepts: ACCEPTS, permission },
  responses: {},
  errors: [],
});

/**
 * The very rules of our own routes, as pre-handlers: same credentials, same refusals, same CSRF check.
 * @example
 * const guard = createAuthenticationMiddleware(app, createCallerResolver(composed.authenticators), composed.authenticators);
 * app.get('/reports', { preHandler: guard.requirePermission('audit:read') }, (request) => app.currentUser(request));
 */
export function createAuthenticationMiddleware(
  app: FastifyInstance,
  callers: CallerResolver,
  { csrfPasses }: Pick<Authenticators, 'csrfPasses'>,
): AuthenticationMiddleware {
  const known = new WeakMap<FastifyRequest, Caller>();
  app.decorate('currentUser', (request: FastifyRequest) => known.get(request) ?? null);

  const guard = (endpoint: Endpoint, check: (caller: Caller) => void = () => {}): preHandlerAsyncHookHandler => {
    const resolve = callers.forEndpoint(endpoint);
    return async (request) => {
      const caller = await resolve(request);
      if ((caller.kind === 'user' || caller.kind === 'client') && caller.by === 'api_key') throw apiKeyNotAccepted();
      check(caller);
      known.set(request, caller);
    };
  };

  return {
    authenticateRequest: guard(asking()),
    requireRole: (role) =>
      guard(asking(), (caller) => {
        const roles = caller.kind === 'user' ? (caller.roles ?? []) : [];
        if (!roles.includes(role) && !roles.includes('admin'))
          throw permissionMissing({ detail: `This needs the role ${role}.` });
      }),
    requirePermission: (permission) => guard(asking(permission)),
    validateCSRFToken: csrfPasses,
    extractTokenFromRequest,
  };
}
