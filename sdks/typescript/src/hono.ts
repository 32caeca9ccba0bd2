/**
 * Hono.
 * @example app.get('/tasks', protect(verifier, { permissions: ['tasks:read'] }), (c) => c.json(list(authOf(c).claims.sub)));
 * @module
 */
import { authenticate, type RouteRequirements, setAuth } from './request.ts';
import type { Verifier } from './verifier.ts';
import { factsOf, responseOf, type WebRequestOptions } from './web-request.ts';

export { authOf } from './request.ts';

type HonoContextLike = { readonly req: { readonly raw: Request } };

/** A middleware that lets only requests with an accepted token through. */
export function protect(
  verifier: Verifier,
  requirements: RouteRequirements & WebRequestOptions = {},
): (context: HonoContextLike, next: () => Promise<void>) => Promise<Response | undefined> {
  return async (context, next) => {
    const result = await authenticate(verifier, factsOf(context.req.raw, requirements), requirements);
    if (!result.ok) return responseOf(result.response);
    setAuth(context, result);
    await next();
    return undefined;
  };
}
