import type { FastifyInstance, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import type { Authenticators, CallerResolver } from '../api/requests/caller.ts';
import { extractTokenFromRequest } from '../api/requests/credentials.ts';
import { userOf } from '../core/authority/callers.ts';
import { assertNoApiKey } from '../core/authority/own-account.ts';
import type { Caller } from '../core/ports.ts';
import type { Credential, Endpoint } from '../platform/define/endpoint.ts';
import { permissionMissing } from '../platform/errors.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyInstance {
    /** The caller, after a pre-handler of the middleware has accepted the request; null before. */
    currentUser(request: FastifyRequest): Caller | null;
  }
}

/**
 * Pre-handlers for the routes of another Fastify application in the same process. They accept the same credentials as
 * our own routes, give the same errors and make the same CSRF check.
 */
export type AuthenticationMiddleware = {
  /**
   * Accepts a valid access token, session cookie or client secret; answers 401 otherwise. An API key gets 403
   * (`api_key_not_accepted`), because only our own routes check its rate limit and its request signature.
   */
  readonly authenticateRequest: preHandlerAsyncHookHandler;
  /** Accepts users with this role, and administrators; answers 403 to other callers, clients included. */
  requireRole(role: string): preHandlerAsyncHookHandler;
  /** Accepts callers with this permission, written `resource:action`; answers 403 to others. */
  requirePermission(permission: string): preHandlerAsyncHookHandler;
  /** False for a state-changing request with a session cookie from a page of another origin. Never throws. */
  validateCSRFToken(request: FastifyRequest): boolean;
  /** The bearer token of a request, or null. Never throws. */
  extractTokenFromRequest(request: FastifyRequest): string | null;
};

const ACCEPTS: readonly Credential[] = ['bearer', 'session', 'client'];
const endpointRequiring = (permission?: string): Endpoint => ({
  method: 'GET',
  path: '/',
  operation: 'authenticateRequest',
  summary: 'Serve a route of the embedding application',
  tag: 'Users and sessions',
  auth: {
    accepts: ACCEPTS,
    for: 'anyone',
    ...(permission === undefined ? { subject: 'none' } : { permission, subject: 'any' }),
  },
  responses: {},
  errors: [],
});

/**
 * Decorates `app` with `currentUser` and returns the pre-handlers. Call it once for each application.
 * @example
 * const guard = createAuthenticationMiddleware(app, createCallerResolver(composed.authenticators), composed.authenticators);
 * app.get('/reports', { preHandler: guard.requirePermission('audit:read') }, (request) => app.currentUser(request));
 */
export function createAuthenticationMiddleware(
  app: FastifyInstance,
  callers: CallerResolver,
  { csrfPasses }: Pick<Authenticators, 'csrfPasses'>,
): AuthenticationMiddleware {
  const callerOf = new WeakMap<FastifyRequest, Caller>();
  app.decorate('currentUser', (request: FastifyRequest) => callerOf.get(request) ?? null);

  const guard = (endpoint: Endpoint, check: (caller: Caller) => void = () => {}): preHandlerAsyncHookHandler => {
    const resolve = callers.forEndpoint(endpoint);
    return async (request) => {
      const caller = await resolve(request);
      assertNoApiKey(caller);
      check(caller);
      callerOf.set(request, caller);
    };
  };

  return {
    authenticateRequest: guard(endpointRequiring()),
    requireRole: (role) =>
      guard(endpointRequiring(), (caller) => {
        const roles = userOf(caller)?.roles ?? [];
        if (!roles.includes(role) && !roles.includes('admin'))
          throw permissionMissing({ detail: `This request requires the role ${role}.` });
      }),
    requirePermission: (permission) => guard(endpointRequiring(permission)),
    validateCSRFToken: csrfPasses,
    extractTokenFromRequest,
  };
}
